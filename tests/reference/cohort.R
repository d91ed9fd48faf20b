# Tables III and IV from the first shipped synthetic cohort by lme4 and lmerTest alone.
# Usage: Rscript tests/reference/cohort.R cohort.csv cohort.json
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(jsonlite)})
paths <- commandArgs(trailingOnly = TRUE)
d <- read.csv(paths[1], stringsAsFactors = FALSE)
d$poor <- ifelse(is.na(d$end_gaf), NA, as.numeric(d$end_gaf < 60))
d$not_completed <- 1 - d$completed_as_planned
d$age <- d$age - 28
d$no_mood <- 1 - d$mood_disorder
# Paranoid PD within each outcome subgroup, beside the outcome itself: the crossed factor in other words.
d$ppd_good <- d$paranoid_pd * (1 - d$poor)
d$ppd_poor <- d$paranoid_pd * d$poor

control <- lmerControl(optimizer = "bobyqa", optCtrl = list(maxfun = 1e5, rhoend = 1e-9), calc.derivs = FALSE)
fit <- function(outcome, predictors = character()) {
  fixed <- c("months", predictors, if (length(predictors)) paste0("months:", predictors))
  formula <- as.formula(paste(outcome, "~", paste(fixed, collapse = " + "), "+ (months | patient)"))
  lmerTest::lmer(formula, d, REML = FALSE, control = control)
}
describe <- function(model, reference = NULL) {
  table <- coef(summary(model, ddf = "Satterthwaite"))
  variance <- function(m) diag(as.matrix(VarCorr(m)$patient))
  explained <- if (is.null(reference)) NULL else as.list(100 * (1 - variance(model) / variance(reference)))
  list(n_rows = nobs(model), n_patients = unname(ngrps(model)), aic = AIC(model),
       coefficients = lapply(setNames(rownames(table), rownames(table)), function(name)
         list(estimate = table[name, "Estimate"], se = table[name, "Std. Error"], p = table[name, "Pr(>|t|)"])),
       explained = unname(explained))
}
run <- function(outcome, predictors) {
  growth <- fit(outcome)
  found <- list(growth = describe(growth))
  for (name in names(predictors)) found[[name]] <- describe(fit(outcome, predictors[[name]]), growth)
  found
}
answer <- list(
  wsas = run("wsas", list()),
  bsi = run("bsi", list()),
  gaf = run("gaf", list(age = "age", work = "work_study_months", ppd = "paranoid_pd", mood = "no_mood",
                        completed = "not_completed")),
  goals = run("goals", list(outcome = "poor")),
  bonds = run("bonds", list(outcome = "poor")),
  tasks = run("tasks", list(outcome = "poor", age = "age", mood = "mood_disorder", ppd = "paranoid_pd",
                            outcome_ppd = c("poor", "ppd_good", "ppd_poor"))))
answer$versions <- list(R = R.version.string, lme4 = as.character(packageVersion("lme4")),
                        lmerTest = as.character(packageVersion("lmerTest")))
write_json(answer, paths[2], digits = 10, auto_unbox = TRUE, pretty = TRUE)
