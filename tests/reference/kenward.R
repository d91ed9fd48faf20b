# Writes tests/reference/kenward.json: standard errors and degrees of freedom after Kenward and Roger by pbkrtest, of
# models fitted with lme4 by REML. Run data.R first.

suppressMessages({ library(lme4); library(pbkrtest); library(jsonlite) })

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]))
source(file.path(here, "read.R"))

control <- lmerControl(optimizer = "nlminbwrap", calc.derivs = FALSE, check.conv.singular = "ignore",
  optCtrl = list(eval.max = 1e5, iter.max = 1e5, rel.tol = 1e-14, x.tol = 1e-12, abs.tol = 0))

jobs <- list(
  c("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
  c("orthodont", "distance ~ age*Sex + (1 | Subject)"),
  c("orthodont", "distance ~ age*Sex + (age | Subject)"),
  c("btheb", "bdi ~ bdi_pre + treatment*month + (month | subject)"),
  c("oxide", "Thickness ~ Source + (1 | Lot/Wafer)"),
  c("pastes", "strength ~ 1 + (1 | batch/cask)"),
  c("pixel", "pixel ~ day + day2 + (day | Dog) + (1 | Dog:Side)"),
  c("oats", "yield ~ nitro*victory + (1 | Block) + (1 | plot)"),
  c("oxide", "Thickness ~ late + (0 + late | Lot) + (1 | wafer)"),
  c("oxboys", "height ~ age + age2 + (age + age2 | Subject)"),
  c("machines", "score ~ Machine + (0 + A + B + C | Worker)"),
  c("sleepstudy", "Reaction ~ Days + late + (Days + late || Subject)"),
  c("sleepstudy", "Reaction ~ Days + (Days | Subject) + (1 | visit)"),
  c("orthodont", "distance ~ age*Sex + (1 | Subject) + (1 | visit)"),
  c("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)")
)

fits <- lapply(jobs, function(job) {
  m <- suppressMessages(lmer(as.formula(job[2]), read(job[1]), REML = TRUE, control = control))
  adjusted <- sqrt(diag(as.matrix(vcovAdj(m))))
  one <- diag(length(fixef(m)))
  df <- apply(one, 1, function(l) get_Lb_ddf(m, l))
  list(data = job[1], formula = job[2], singular = isSingular(m), fixed = as.list(fixef(m)),
    se = as.list(setNames(adjusted, names(fixef(m)))), df = as.list(setNames(df, names(fixef(m)))))
})
write(toJSON(list(versions = list(R = R.version.string, lme4 = as.character(packageVersion("lme4")),
  pbkrtest = as.character(packageVersion("pbkrtest"))), fits = fits), auto_unbox = TRUE, digits = 10),
  file.path(here, "kenward.json"))
