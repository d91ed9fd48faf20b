# Profile-likelihood intervals by lme4, for tests/inference/test_ml_intervals.py and test_lmm_intervals.py. Run from the repository root:
#   Rscript tests/reference/profile.R
suppressPackageStartupMessages({library(lme4); library(jsonlite)})

csv <- function(path) read.csv(path)
sets <- list(
  sleepstudy = list(data = "tests/reference/data/sleepstudy.csv", formula = "Reaction ~ Days + (Days | Subject)"),
  medication = list(data = "models/medication/medication_pp.csv", formula = "pos ~ time*treat + (time | id)"),
  pastes = list(data = "tests/reference/data/pastes.csv", formula = "strength ~ 1 + (1 | batch/cask)"),
  oats = list(data = "tests/reference/data/oats.csv", formula = "yield ~ nitro + (1 | Block/Variety)"),
  penicillin = list(data = "tests/reference/data/penicillin.csv", formula = "diameter ~ 1 + (1 | plate) + (1 | sample)")
)
answers <- lapply(sets, function(set) {
  fit <- lmer(as.formula(set$formula), csv(set$data), REML = FALSE,
              control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9)))
  limits <- confint(fit, method = "profile", level = 0.95, quiet = TRUE)
  rows <- lapply(seq_len(nrow(limits)), function(i) unname(limits[i, ]))
  names(rows) <- rownames(limits)
  c(set, list(intervals = rows))
})
out <- list(versions = list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4"))), fits = answers)
write(toJSON(out, auto_unbox = TRUE, digits = NA, pretty = TRUE), "tests/reference/profile.json")
