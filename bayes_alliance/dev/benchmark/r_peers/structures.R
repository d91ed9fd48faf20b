# ML by lme4 (three levels) and nlme (repeated measures): user time of a warm fit, and -2 log likelihoods.
suppressMessages({ library(lme4); library(nlme); library(jsonlite) })
given <- commandArgs(TRUE)
nested <- read.csv(file.path(given[1], "nested.csv"))
repeated <- read.csv(file.path(given[1], "repeated.csv"))
fits <- as.integer(given[3])

timed <- function(fit) {
  found <- fit()
  spent <- replicate(fits, { start <- proc.time()[["user.self"]]; found <<- fit(); proc.time()[["user.self"]] - start })
  list(seconds = median(spent), deviance = -2 * as.numeric(logLik(found)))
}

three <- timed(function() suppressMessages(suppressWarnings(lmer(
  tasks ~ months * poor_outcome + (months | patient) + (1 | therapist), nested, REML = FALSE))))
measures <- timed(function() gls(score ~ visit * treated, repeated, method = "ML",
  correlation = corSymm(form = ~ number | patient), weights = varIdent(form = ~ 1 | number)))
write(toJSON(list(nested_ml = three$seconds, nested_deviance = three$deviance,
  repeated_ml = measures$seconds, repeated_deviance = measures$deviance), auto_unbox = TRUE, digits = 12), given[2])
