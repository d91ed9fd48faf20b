# A data frame as R saves it: text with leading zeros, a factor with a gap, a Date, whole and other numbers.
rows <- data.frame(
  id = c("007", "007", "08"),
  arm = factor(c("drug", NA, "placebo"), levels = c("placebo", "drug")),
  when = as.Date(c("2020-01-31", "2020-07-31", NA)),
  gaf = c(50L, NA, 65L),
  goals = c(5.25, NA, 4),
  sted = c("Ålesund", NA, "Bodø"),
  done = c(TRUE, NA, FALSE)
)
saveRDS(rows, "tests/reference/data/frame.rds", version = 3)

# Moments with and without a time zone, and the long integers of package bit64.
clock <- c("2020-01-31 09:00:00", "2020-07-31 09:00:00", NA)
moments <- data.frame(
  id = bit64::as.integer64(c("9007199254740993", "-5", NA)),
  oslo = as.POSIXct(clock, tz = "Europe/Oslo"),
  utc = as.POSIXct(clock, tz = "UTC"),
  nowhere = structure(unclass(as.POSIXct(clock, tz = "UTC")), tzone = NULL, class = c("POSIXct", "POSIXt")),
  midnight = structure(unclass(as.POSIXct(substr(clock, 1, 10), tz = "UTC")), tzone = NULL, class = c("POSIXct", "POSIXt")),
  listed = as.POSIXlt(clock, tz = "Europe/Oslo")
)
saveRDS(moments, "tests/reference/data/moments.rds", version = 3)
