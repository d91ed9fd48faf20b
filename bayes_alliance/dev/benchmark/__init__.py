"""Times this package beside its peers on the built-in study's design, from 155 patients to a thousand times that.

Every program runs as a process of its own and is timed and weighed from outside; one thread each.
"""
