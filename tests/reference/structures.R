# Writes tests/reference/structures.json: models with nested levels by lme4 and lmerTest, with correlated
# residuals by nlme (gls, lme). Run data.R first.

suppressMessages({ library(lme4); library(lmerTest); library(nlme); library(jsonlite) })

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]))

source(file.path(here, "read.R"))

control <- lmerControl(optimizer = "nlminbwrap", calc.derivs = FALSE, check.conv.singular = "ignore",
  optCtrl = list(eval.max = 1e5, iter.max = 1e5, rel.tol = 1e-14, x.tol = 1e-12, abs.tol = 0))
bobyqa <- lmerControl(optimizer = "bobyqa", calc.derivs = FALSE, check.conv.singular = "ignore",
  optCtrl = list(rhobeg = 0.2, rhoend = 1e-10, maxfun = 1e6))
criterion <- function(f) if (isREML(f)) REMLcrit(f) else -2 * as.numeric(logLik(f))

by_lmer <- function(data, formula, method, keep = NULL) {
  d <- read(data); if (!is.null(keep)) d <- d[eval(parse(text = keep), d), ]
  reml <- method == "REML"
  fits <- suppressMessages(suppressWarnings(list(
    lmerTest::lmer(as.formula(formula), d, REML = reml, control = control),
    lmerTest::lmer(as.formula(formula), d, REML = reml, control = bobyqa))))
  f <- fits[[which.min(sapply(fits, criterion))]]
  s <- suppressMessages(suppressWarnings(coef(summary(f, ddf = "Satterthwaite"))))
  v <- VarCorr(f)
  list(program = "lmer", data = data, keep = keep, formula = formula, residual = "", method = method,
    minus2ll = criterion(f), aic = AIC(f), singular = isSingular(f), fixed = as.list(fixef(f)),
    se = as.list(setNames(s[, "Std. Error"], rownames(s))), df = as.list(setNames(s[, "df"], rownames(s))),
    random = lapply(v, function(g) { g <- unclass(g); attributes(g) <- list(dim = dim(g)); g }), sigma = sigma(f))
}

by_nlme <- function(data, fixed, residual, method, correlation = NULL, weights = NULL, random = NULL, ours = NULL, keep = NULL) {
  d <- read(data); if (!is.null(keep)) d <- d[eval(parse(text = keep), d), ]
  call <- list(as.formula(fixed), data = d, method = method, correlation = correlation, weights = weights)
  if (is.null(random)) {
    call$control <- glsControl(maxIter = 500, msMaxIter = 500, tolerance = 1e-10, msTol = 1e-12)
    f <- do.call(gls, call)
    se <- sqrt(diag(f$varBeta)); beta <- coef(f)
  } else {
    call$random <- random
    call$control <- lmeControl(maxIter = 500, msMaxIter = 500, tolerance = 1e-10, msTol = 1e-12, returnObject = TRUE)
    f <- do.call(lme, call)
    se <- sqrt(diag(f$varFix)); beta <- fixef(f)
  }
  sds <- if (is.null(weights)) NULL else as.list(coef(f$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE) * f$sigma)
  corr <- if (is.null(correlation)) NULL else {
    m <- corMatrix(f$modelStruct$corStruct); if (is.list(m)) m <- m[[which.max(sapply(m, nrow))]]; if (nrow(m) > 12) m <- m[1:2, 1:2]; unname(m) }
  list(program = if (is.null(random)) "gls" else "lme", data = data, keep = keep, formula = ours, residual = residual,
    method = method, minus2ll = -2 * as.numeric(logLik(f)), aic = AIC(f), fixed = as.list(beta), se = as.list(setNames(se, names(beta))),
    sigma = f$sigma, sigmas = sds, correlation = corr,
    random = if (is.null(random)) NULL else list(unname(as.matrix(getVarCov(f)))[, , drop = FALSE]))
}

jobs <- list(
  quote(by_lmer("oxide", "Thickness ~ 1 + (1 | Lot/Wafer)", m)),
  quote(by_lmer("oxide", "Thickness ~ Source + (1 | Lot/Wafer)", m)),
  quote(by_lmer("pastes", "strength ~ 1 + (1 | batch/cask)", m)),
  quote(by_lmer("pixel", "pixel ~ day + day2 + (day | Dog) + (1 | Dog:Side)", m)),
  quote(by_lmer("oats", "yield ~ nitro + (1 | Block/Variety)", m)),
  quote(by_lmer("oats", "yield ~ nitro*Variety + (1 | Block) + (nitro | plot)", m)),
  quote(by_lmer("oats", "yield ~ nitro*victory + (0 + victory | Block) + (1 | plot)", m)),
  quote(by_lmer("oxboys", "height ~ age + age2 + (age + age2 | Subject)", m)),
  quote(by_lmer("oxboys", "height ~ age + age2 + age3 + (age + age2 + age3 | Subject)", m)),
  quote(by_lmer("machines", "score ~ Machine + (0 + A + B + C | Worker)", m)),
  quote(by_lmer("sleepstudy", "Reaction ~ Days + late + (Days + late || Subject)", m)),
  quote(by_lmer("sleepstudy", "Reaction ~ Days + (0 + Days | Subject)", m)),
  quote(by_nlme("ovary", "follicles ~ s + c", "ar1(visit)", m, corAR1(form = ~ visit | Mare), ours = "follicles ~ s + c | Mare")),
  quote(by_nlme("ovary", "follicles ~ s + c", "ar1(visit)", m, corAR1(form = ~ visit | Mare), random = ~ 1 | Mare, ours = "follicles ~ s + c + (1 | Mare)")),
  quote(by_nlme("orthodont", "distance ~ age*Sex", "ar1(visit)", m, corAR1(form = ~ visit | Subject), ours = "distance ~ age*Sex | Subject")),
  quote(by_nlme("orthodont", "distance ~ age*Sex", "ar1(visit) * var(Sex)", m, corAR1(form = ~ visit | Subject), varIdent(form = ~ 1 | Sex), ours = "distance ~ age*Sex | Subject")),
  quote(by_nlme("bodyweight", "weight ~ Time*Diet", "car1(Time)", m, corCAR1(form = ~ Time | Rat), random = ~ 1 | Rat, ours = "weight ~ Time*Diet + (1 | Rat)")),
  quote(by_nlme("bodyweight", "weight ~ Time*Diet", "car1(Time)", m, corCAR1(0.9, form = ~ Time | Rat), ours = "weight ~ Time*Diet | Rat")),
  quote(by_nlme("orthodont", "distance ~ age*Sex", "cs", m, corCompSymm(form = ~ 1 | Subject), ours = "distance ~ age*Sex | Subject")),
  quote(by_nlme("sleepstudy", "Reaction ~ Days", "cs * var(Days)", m, corCompSymm(form = ~ 1 | Subject), varIdent(form = ~ 1 | Days), ours = "Reaction ~ Days | Subject")),
  quote(by_nlme("orthodont", "distance ~ age*Sex", "toep(visit)", m, corARMA(form = ~ visit | Subject, p = 3, q = 0), ours = "distance ~ age*Sex | Subject")),
  quote(by_nlme("orthodont", "distance ~ age*Sex", "un(visit)", m, corSymm(form = ~ visit | Subject), varIdent(form = ~ 1 | visit), ours = "distance ~ age*Sex | Subject")),
  quote(by_nlme("bodyweight", "weight ~ Time*Diet", "un(visit)", m, corSymm(form = ~ visit | Rat), varIdent(form = ~ 1 | visit), ours = "weight ~ Time*Diet | Rat", keep = "visit <= 3")),
  quote(by_nlme("orthodont", "distance ~ age*Sex", "var(Sex)", m, NULL, varIdent(form = ~ 1 | Sex), random = ~ age | Subject, ours = "distance ~ age*Sex + (age | Subject)")),
  quote(by_nlme("bodyweight", "weight ~ Time*Diet", "var(Diet)", m, NULL, varIdent(form = ~ 1 | Diet), random = ~ Time | Rat, ours = "weight ~ Time*Diet + (Time | Rat)")),
  quote(by_lmer("milk", "protein ~ t + t2 + (t + t2 | Cow)", m)),
  quote(by_lmer("oxboys", "height ~ age + age2 + (age + age2 || Subject)", m)),
  quote(by_lmer("milk", "protein ~ t*Diet + (t || Cow)", m)),
  quote(by_lmer("oxboys", "height ~ age + (0 + age | Subject)", m)),
  quote(by_lmer("bodyweight", "weight ~ Time*Diet + (0 + Time | Rat)", m)),
  quote(by_lmer("oxide", "Thickness ~ late + (0 + late | Lot) + (1 | wafer)", m)),
  quote(by_lmer("pastes", "strength ~ some + (0 + some | batch) + (1 | sample)", m)),
  quote(by_nlme("milk", "protein ~ Time*Diet", "ar1(Time)", m, corAR1(form = ~ Time | Cow), ours = "protein ~ Time*Diet | Cow")),
  quote(by_nlme("milk", "protein ~ Time*Diet", "ar1(Time)", m, corAR1(form = ~ Time | Cow), random = ~ 1 | Cow, ours = "protein ~ Time*Diet + (1 | Cow)")),
  quote(by_nlme("sleepstudy", "Reaction ~ Days", "ar1(Days)", m, corAR1(form = ~ Days | Subject), random = ~ 1 | Subject, ours = "Reaction ~ Days + (1 | Subject)")),
  quote(by_nlme("milk", "protein ~ Time*Diet", "ar1(Time) * var(Diet)", m, corAR1(form = ~ Time | Cow), varIdent(form = ~ 1 | Diet), ours = "protein ~ Time*Diet | Cow")),
  quote(by_nlme("sleepstudy", "Reaction ~ Days", "ar1(Days) * var(Days)", m, corAR1(form = ~ Days | Subject), varIdent(form = ~ 1 | Days), ours = "Reaction ~ Days | Subject")),
  quote(by_nlme("milk", "protein ~ Time*Diet", "car1(Time)", m, corCAR1(0.5, form = ~ Time | Cow), ours = "protein ~ Time*Diet | Cow")),
  quote(by_nlme("btheb", "bdi ~ bdi_pre + treatment*month", "car1(month)", m, corCAR1(0.5, form = ~ month | subject), ours = "bdi ~ bdi_pre + treatment*month | subject")),
  quote(by_nlme("ovary", "follicles ~ s + c", "car1(Time)", m, corCAR1(0.01, form = ~ Time | Mare), random = ~ 1 | Mare, ours = "follicles ~ s + c + (1 | Mare)")),
  quote(by_nlme("milk", "protein ~ Time*Diet", "cs", m, corCompSymm(form = ~ 1 | Cow), ours = "protein ~ Time*Diet | Cow")),
  quote(by_nlme("btheb", "bdi ~ bdi_pre + treatment*month", "cs", m, corCompSymm(form = ~ 1 | subject), ours = "bdi ~ bdi_pre + treatment*month | subject")),
  quote(by_nlme("btheb", "bdi ~ bdi_pre + treatment*month", "cs * var(visit)", m, corCompSymm(form = ~ 1 | subject), varIdent(form = ~ 1 | visit), ours = "bdi ~ bdi_pre + treatment*month | subject")),
  quote(by_nlme("orthodont", "distance ~ age*Sex", "cs * var(Sex)", m, corCompSymm(form = ~ 1 | Subject), varIdent(form = ~ 1 | Sex), ours = "distance ~ age*Sex | Subject")),
  quote(by_nlme("btheb", "bdi ~ bdi_pre + treatment*month", "toep(visit)", m, corARMA(form = ~ visit | subject, p = 3, q = 0), ours = "bdi ~ bdi_pre + treatment*month | subject")),
  quote(by_nlme("sleepstudy", "Reaction ~ Days", "toep(Days)", m, corARMA(form = ~ Days | Subject, p = 4, q = 0), ours = "Reaction ~ Days | Subject", keep = "Days <= 4")),
  quote(by_nlme("btheb", "bdi ~ bdi_pre + treatment*month", "un(visit)", m, corSymm(form = ~ visit | subject), varIdent(form = ~ 1 | visit), ours = "bdi ~ bdi_pre + treatment*month | subject")),
  quote(by_nlme("sleepstudy", "Reaction ~ Days", "un(Days)", m, corSymm(form = ~ visit | Subject), varIdent(form = ~ 1 | Days), ours = "Reaction ~ Days | Subject", keep = "Days <= 4")),
  quote(by_nlme("milk", "protein ~ Time*Diet", "var(Diet)", m, NULL, varIdent(form = ~ 1 | Diet), random = ~ Time | Cow, ours = "protein ~ Time*Diet + (Time | Cow)")),
  quote(by_nlme("orthodont", "distance ~ age*Sex", "var(Sex)", m, NULL, varIdent(form = ~ 1 | Sex), ours = "distance ~ age*Sex | Subject")),
  quote(by_nlme("btheb", "bdi ~ bdi_pre + treatment*month", "var(visit)", m, NULL, varIdent(form = ~ 1 | visit), ours = "bdi ~ bdi_pre + treatment*month | subject")),
  quote(by_nlme("milk", "protein ~ Time*Diet", "var(Diet)", m, NULL, varIdent(form = ~ 1 | Diet), ours = "protein ~ Time*Diet | Cow")),
  quote(by_nlme("orthodont", "distance ~ age*Sex", "toep(visit) * var(visit)", m, corARMA(form = ~ visit | Subject, p = 3, q = 0), varIdent(form = ~ 1 | visit), ours = "distance ~ age*Sex | Subject")),
  quote(by_nlme("btheb", "bdi ~ bdi_pre + treatment*month", "toep(visit) * var(visit)", m, corARMA(form = ~ visit | subject, p = 3, q = 0), varIdent(form = ~ 1 | visit), ours = "bdi ~ bdi_pre + treatment*month | subject")),
  quote(by_nlme("sleepstudy", "Reaction ~ Days", "toep(Days) * var(Days)", m, corARMA(form = ~ Days | Subject, p = 4, q = 0), varIdent(form = ~ 1 | Days), ours = "Reaction ~ Days | Subject", keep = "Days <= 4")),
  quote(by_nlme("bodyweight", "weight ~ Time*Diet", "toep(visit) * var(Diet)", m, corARMA(form = ~ visit | Rat, p = 3, q = 0), varIdent(form = ~ 1 | Diet), ours = "weight ~ Time*Diet | Rat", keep = "visit <= 4")),
  quote(by_nlme("orthodont", "distance ~ age*Sex", "toep(visit) * var(Sex)", m, corARMA(form = ~ visit | Subject, p = 3, q = 0), varIdent(form = ~ 1 | Sex), ours = "distance ~ age*Sex | Subject")),
  quote(by_nlme("btheb", "bdi ~ bdi_pre + treatment*month", "toep(visit) * var(treatment)", m, corARMA(form = ~ visit | subject, p = 3, q = 0), varIdent(form = ~ 1 | treatment), ours = "bdi ~ bdi_pre + treatment*month | subject")),
  quote(by_nlme("milk", "protein ~ Time*Diet", "toep(Time) * var(Diet)", m, corARMA(form = ~ Time | Cow, p = 4, q = 0), varIdent(form = ~ 1 | Diet), ours = "protein ~ Time*Diet | Cow", keep = "Time <= 5")),
  quote(by_nlme("orthodont", "distance ~ age*Sex", "cs * var(visit)", m, corCompSymm(form = ~ 1 | Subject), varIdent(form = ~ 1 | visit), ours = "distance ~ age*Sex | Subject")),
  quote(by_nlme("orthodont", "distance ~ age*Sex", "var(visit)", m, NULL, varIdent(form = ~ 1 | visit), random = ~ 1 | Subject, ours = "distance ~ age*Sex + (1 | Subject)")),
  quote(by_nlme("sleepstudy", "Reaction ~ Days", "var(Days)", m, NULL, varIdent(form = ~ 1 | Days), random = ~ 1 | Subject, ours = "Reaction ~ Days + (1 | Subject)", keep = "Days <= 4")),
  quote(by_nlme("milk", "protein ~ Time*Diet", "car1(Time)", m, corCAR1(0.5, form = ~ Time | Cow), random = ~ 1 | Cow, ours = "protein ~ Time*Diet + (1 | Cow)")),
  quote(by_nlme("orthodont", "distance ~ age*Sex", "car1(age) * var(Sex)", m, corCAR1(0.7, form = ~ age | Subject), varIdent(form = ~ 1 | Sex), ours = "distance ~ age*Sex | Subject")),
  quote(by_nlme("milk", "protein ~ Time*Diet", "car1(Time) * var(Diet)", m, corCAR1(0.5, form = ~ Time | Cow), varIdent(form = ~ 1 | Diet), ours = "protein ~ Time*Diet | Cow")),
  quote(by_nlme("bodyweight", "weight ~ Time*Diet", "car1(Time) * var(Diet)", m, corCAR1(0.9, form = ~ Time | Rat), varIdent(form = ~ 1 | Diet), ours = "weight ~ Time*Diet | Rat")),
  # Compound symmetry of random effects is a level within a level, where the effects go together.
  quote(by_nlme("oats", "yield ~ nitro", "", m, random = list(Block = pdCompSymm(~ Variety - 1)), ours = "yield ~ nitro + (1 | Block/Variety)")),
  quote(by_nlme("oxide", "Thickness ~ 1", "", m, random = list(Lot = pdCompSymm(~ factor(Wafer) - 1)), ours = "Thickness ~ 1 + (1 | Lot/Wafer)")),
  quote(by_nlme("machines", "score ~ Machine", "", m, random = list(Worker = pdCompSymm(~ Machine - 1)), ours = "score ~ Machine + (1 | Worker/cell)")),
  quote(by_lmer("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", m)),
  quote(by_lmer("machines", "score ~ 1 + (1 | Worker) + (1 | Machine)", m)),
  quote(by_lmer("sleepstudy", "Reaction ~ Days + (Days | Subject) + (1 | visit)", m)),
  quote(by_lmer("orthodont", "distance ~ age*Sex + (1 | Subject) + (1 | visit)", m)),
  quote(by_lmer("milk", "protein ~ t + t2 + (t + t2 || Cow)", m)),
  quote(by_lmer("egsingle", "math ~ year + (year | schoolid) + (year | childid)", m)),
  quote(by_nlme("milk", "protein ~ Time*Diet", "cs * var(Diet)", m, corCompSymm(form = ~ 1 | Cow), varIdent(form = ~ 1 | Diet), ours = "protein ~ Time*Diet | Cow")),
  quote(by_nlme("btheb", "bdi ~ bdi_pre + treatment*month", "cs * var(treatment)", m, corCompSymm(form = ~ 1 | subject), varIdent(form = ~ 1 | treatment), ours = "bdi ~ bdi_pre + treatment*month | subject")),
  quote(by_nlme("btheb", "bdi ~ bdi_pre + treatment*month", "ar1(visit) * var(treatment)", m, corAR1(form = ~ visit | subject), varIdent(form = ~ 1 | treatment), ours = "bdi ~ bdi_pre + treatment*month | subject")),
  quote(by_nlme("orthodont", "distance ~ age*Sex", "ar1(visit) * var(visit)", m, corAR1(form = ~ visit | Subject), varIdent(form = ~ 1 | visit), ours = "distance ~ age*Sex | Subject"))
)

fits <- list()
for (job in jobs) for (m in c("ML", "REML")) {
  found <- tryCatch(eval(job), error = function(e) { message(deparse(job)[1], " ", m, ": ", conditionMessage(e)); NULL })
  if (!is.null(found)) fits[[length(fits) + 1]] <- found
}
# jsonlite would drop empty entries of lists; they stay null.
write(toJSON(list(versions = list(R = R.version.string, lme4 = as.character(packageVersion("lme4")),
  nlme = as.character(packageVersion("nlme")), lmerTest = as.character(packageVersion("lmerTest"))), fits = fits),
  auto_unbox = TRUE, digits = 10, null = "null", na = "null"), file.path(here, "structures.json"))
