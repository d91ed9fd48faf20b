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
