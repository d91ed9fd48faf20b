# Writes tests/reference/lme4.json: likelihood fits by lme4, degrees of freedom
# by lmerTest. MEDICATION_CSV names another copy of the medication data.

suppressMessages({
  library(lme4)
  library(lmerTest)
  library(jsonlite)
})

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]))
medication_csv <- Sys.getenv("MEDICATION_CSV",
  file.path(here, "..", "..", "models", "medication", "medication_pp.csv"))

# Level order is stated because a reader that sorts the names would take another
# reference level and so other coefficients.
models <- list(
  medication = list(y = "pos", fixed = "time*treat", slope = "time", group = "id"),
  sleepstudy = list(y = "Reaction", fixed = "Days", slope = "Days", group = "Subject"),
  orthodont = list(y = "distance", fixed = "age*Sex", slope = "age", group = "Subject",
                   factors = list(Sex = c("Male", "Female"))),
  dyestuff = list(y = "Yield", fixed = "1", group = "Batch"),
  dyestuff2 = list(y = "Yield", fixed = "1", group = "Batch"),
  ratpup = list(y = "weight", fixed = "sex+Treatment+Lsize", group = "Litter",
                factors = list(sex = c("Male", "Female"), Treatment = c("Control", "Low", "High"))),
  loblolly = list(y = "height", fixed = "age", slope = "age", group = "Seed"),
  soybean = list(y = "weight", fixed = "Time*Variety", slope = "Time", group = "Plot",
                 factors = list(Variety = c("F", "P"))),
  glucose2 = list(y = "glucose", fixed = "Time", slope = "Time", group = "Subject"),
  fatigue = list(y = "relLength", fixed = "cycles", slope = "cycles", group = "Path"),
  chickweight = list(y = "weight", fixed = "Time*Diet", slope = "Time", group = "Chick",
                     factors = list(Diet = c("1", "2", "3", "4"))),
  milk = list(y = "protein", fixed = "Time*Diet", slope = "Time", group = "Cow",
              factors = list(Diet = c("barley", "barley+lupins", "lupins"))),
  radon = list(y = "log_radon", fixed = "floor*log_uranium", slope = "floor", group = "county")
)

load_data <- function(name, spec) {
  path <- if (name == "medication") medication_csv else file.path(here, "data", paste0(name, ".csv"))
  d <- read.csv(path, stringsAsFactors = FALSE)
  d[[spec$group]] <- factor(d[[spec$group]], levels = unique(d[[spec$group]]))
  for (f in names(spec$factors)) d[[f]] <- factor(d[[f]], levels = spec$factors[[f]])
  d
}

controls <- list(
  bobyqa = function() lmerControl(optimizer = "bobyqa", calc.derivs = FALSE,
    check.conv.singular = "ignore",
    optCtrl = list(rhobeg = 0.2, rhoend = 1e-10, maxfun = 1e6)),
  nlminbwrap = function() lmerControl(optimizer = "nlminbwrap", calc.derivs = FALSE,
    check.conv.singular = "ignore",
    optCtrl = list(eval.max = 1e5, iter.max = 1e5, rel.tol = 1e-14, x.tol = 1e-12, abs.tol = 0)),
  Nelder_Mead = function() lmerControl(optimizer = "Nelder_Mead", calc.derivs = FALSE,
    check.conv.singular = "ignore",
    optCtrl = list(maxfun = 1e6, FtolAbs = 1e-12, FtolRel = 1e-15, XtolRel = 1e-12))
)
quiet <- function(expr) suppressWarnings(suppressMessages(expr))
criterion <- function(fit) if (isREML(fit)) REMLcrit(fit) else -2 * as.numeric(logLik(fit))

# The fit at a given theta, without a search.
fit_at <- function(formula, data, reml, theta) {
  # lmerTest evaluates the stored call again, away from here, so the call holds
  # the values themselves.
  control <- lmerControl(optimizer = NULL, calc.derivs = FALSE, check.conv.singular = "ignore")
  quiet(do.call(lme4::lmer, list(formula, data, REML = reml, start = theta, control = control)))
}

best_fit <- function(formula, data, reml, slope) {
  try_theta <- function(theta, which) {
    fit <- tryCatch(quiet(lme4::lmer(formula, data, REML = reml, start = theta, control = controls[[which]]())),
                    error = function(e) NULL)
    if (is.null(fit)) list(value = NA, theta = NULL) else list(value = criterion(fit), theta = getME(fit, "theta"))
  }
  cold <- lapply(setNames(names(controls), names(controls)), function(k) try_theta(NULL, k))
  pool <- Filter(function(r) !is.null(r$theta), cold)
  n_theta <- length(pool[[1]]$theta)
  # Starts with either sign of the correlation: a search that has run onto the
  # boundary on one side seldom comes back across it.
  scale <- if (is.null(slope)) 1 else sqrt(mean(data[[slope]]^2))
  starts <- if (n_theta == 3) {
    expand.grid(c(0.3, 1.5), c(-0.5, 0.5) / scale, c(0.05, 0.5) / scale)
  } else if (n_theta == 2) {
    expand.grid(c(0.1, 1.5), c(0.05, 0.5) / scale)
  } else {
    data.frame(c(0.1, 2))
  }
  for (i in seq_len(nrow(starts))) {
    for (k in names(controls)) pool <- c(pool, list(try_theta(as.numeric(starts[i, ]), k)))
  }
  pool <- Filter(function(r) !is.null(r$theta), pool)
  pick <- function(p) p[[which.min(vapply(p, `[[`, 0, "value"))]]
  best <- pick(pool)
  repeat {
    again <- pick(c(list(best), Filter(function(r) !is.null(r$theta),
      lapply(names(controls), function(k) try_theta(best$theta, k)))))
    gain <- best$value - again$value
    best <- again
    if (gain < 1e-10) break
  }
  # An optimum on the boundary is put exactly there: a search stops at some tiny
  # number instead, whose correlation would mean nothing.
  at <- seq_along(best$theta)
  subsets <- unlist(lapply(rev(at), function(k) combn(length(at), k, simplify = FALSE)), recursive = FALSE)
  for (s in subsets) {
    theta <- best$theta
    theta[s] <- 0
    value <- criterion(fit_at(formula, data, reml, theta))
    if (value <= best$value + 1e-8) {
      # The remaining elements were tuned beside the tiny ones, so tune them again.
      free <- setdiff(at, s)
      if (length(free) > 0) {
        f <- function(p) { t <- theta; t[free] <- p; criterion(fit_at(formula, data, reml, t)) }
        o <- nlminb(theta[free], f, control = list(rel.tol = 1e-14, x.tol = 1e-10))
        if (o$objective <= value) { theta[free] <- o$par; value <- o$objective }
      }
      best <- list(value = value, theta = theta)
      break
    }
  }
  fit <- fit_at(formula, data, reml, best$theta)
  list(fit = fit, value = criterion(fit), cold = lapply(cold, `[[`, "value"))
}

number <- function(x) if (length(x) == 0 || !is.finite(x)) NULL else unname(x)
named <- function(x) lapply(as.list(x), number)

satterthwaite <- function(fit) {
  warned <- character()
  tab <- tryCatch(withCallingHandlers({
    lt <- lmerTest::as_lmerModLmerTest(fit)
    coef(summary(lt, ddf = "Satterthwaite"))
  }, warning = function(w) { warned <<- c(warned, conditionMessage(w)); invokeRestart("muffleWarning") },
     message = function(m) { warned <<- c(warned, trimws(conditionMessage(m))); invokeRestart("muffleMessage") }),
  error = function(e) { warned <<- c(warned, conditionMessage(e)); NULL })
  if (is.null(tab) || !"df" %in% colnames(tab)) {
    nothing <- setNames(rep(NA_real_, length(fixef(fit))), names(fixef(fit)))
    return(list(df = named(nothing), p = named(nothing), notes = I(unique(warned))))
  }
  col <- function(k) setNames(tab[, k], rownames(tab))
  list(df = named(col("df")), p = named(col("Pr(>|t|)")), notes = I(unique(warned)))
}

fit_entry <- function(name, spec, data, covariance, reml) {
  bars <- if (covariance == "RI") sprintf("(1 | %s)", spec$group) else
    sprintf("(%s %s %s)", spec$slope, if (covariance == "UN") "|" else "||", spec$group)
  text <- sprintf("%s ~ %s + %s", spec$y, spec$fixed, bars)
  res <- best_fit(as.formula(text), data, reml, if (covariance == "RI") NULL else spec$slope)
  fit <- res$fit
  vc <- as.data.frame(VarCorr(fit))
  one <- vc[is.na(vc$var2) & vc$grp != "Residual", ]
  sds <- setNames(one$sdcor, one$var1)
  cor <- vc$sdcor[!is.na(vc$var2)]
  sat <- satterthwaite(fit)
  beta <- fixef(fit)
  V <- as.matrix(vcov(fit))
  list(
    dataset = name,
    data = if (name == "medication") "models/medication/medication_pp.csv" else
      sprintf("tests/reference/data/%s.csv", name),
    formula = text, response = spec$y, fixed_formula = spec$fixed, group = spec$group,
    slope = if (covariance == "RI") NULL else spec$slope,
    factors = spec$factors,
    covariance = covariance, method = if (reml) "REML" else "ML",
    n = nobs(fit), n_groups = unname(ngrps(fit)[1]),
    minus2ll = res$value,
    aic = AIC(fit),
    n_parameters = attr(logLik(fit), "df"),
    fixed = named(beta), se = named(setNames(sqrt(diag(V)), names(beta))),
    vcov = unname(V), df = sat$df, p = sat$p, lmertest_notes = sat$notes,
    sd_random = named(sds), correlation = number(cor),
    sd_residual = sigma(fit), theta = I(unname(getME(fit, "theta"))),
    singular = isSingular(fit),
    cold_start = lapply(res$cold, number)
  )
}

fits <- list()
for (name in names(models)) {
  spec <- models[[name]]
  data <- load_data(name, spec)
  for (reml in c(FALSE, TRUE)) {
    for (covariance in if (is.null(spec$slope)) "RI" else c("RI", "VC", "UN")) {
      e <- fit_entry(name, spec, data, covariance, reml)
      if (covariance == "RI") null_ml <- if (reml) NULL else e$minus2ll
      if (!reml && covariance != "RI") {
        q <- if (covariance == "UN") 2 else 1
        lr <- null_ml - e$minus2ll
        e$lr_test <- list(
          against = "RI", minus2ll_null = null_ml, statistic = lr, df = q,
          p_chi2 = pchisq(lr, q, lower.tail = FALSE),
          # Under the null the slope variance is on its boundary, so half of the
          # weight lies on one degree of freedom less.
          p_mixture = if (q == 2) mean(pchisq(lr, 1:2, lower.tail = FALSE)) else
            0.5 * pchisq(lr, 1, lower.tail = FALSE))
      }
      message(sprintf("%-12s %-4s %s  %.6f%s", name, e$method, covariance, e$minus2ll,
                      if (e$singular) "  singular" else ""))
      fits[[length(fits) + 1]] <- e
    }
  }
}

result <- list(
  versions = list(R = as.character(getRversion()),
                  lme4 = as.character(packageVersion("lme4")),
                  lmerTest = as.character(packageVersion("lmerTest"))),
  fits = fits
)
writeLines(toJSON(result, auto_unbox = TRUE, digits = NA, pretty = TRUE, null = "null", na = "null"),
           file.path(here, "lme4.json"))
