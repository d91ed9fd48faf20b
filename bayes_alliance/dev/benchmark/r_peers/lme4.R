# ML by lme4 with its default optimiser.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]))
source(file.path(here, "answer.R"))
suppressMessages(library(lme4))

run_program(function(first) {
  found <- NULL
  fit_s <- seconds(found <- suppressWarnings(suppressMessages(lmer(
    tasks ~ months + poor_outcome + months:poor_outcome + (months | patient), rows, REML = FALSE))))
  row <- coef(summary(found))["months:poor_outcome", ]
  list(facts = list(fit_s = fit_s, estimate = row[[1]], spread = row[[2]]))
})
