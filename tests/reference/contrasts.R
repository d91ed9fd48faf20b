# Writes tests/reference/contrasts.json: posterior summaries by Stan's sampler under priors that are stated on
# levels, slopes and contrasts, for two models of Tasks on rows of a synthetic cohort
# (tests/reference/data/tasks.csv). Columns are chosen so that their coefficients are what the prior speaks of.

suppressMessages({
  library(brms)
  library(posterior)
  library(jsonlite)
})

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]))
d <- read.csv(file.path(here, "data", "tasks.csv"))
d$years <- d$months / 36  # the horizon: a slope is points over 36 months

if (!file.exists(rstan::rstan_options("boost_lib"))) {
  invisible(rstan::rstan_options(boost_lib = "/usr/include"))
}
CHAINS <- 4
WARMUP <- 1000
DRAWS <- 4000
SEED <- 20261129

# The average of the cells has the prior of a level (slope); each difference of two cells that of a difference.
LEVEL <- "normal(4.5, 1.5)"
SLOPE <- "normal(0, 1.5)"
LEVEL_DIFFERENCE <- "normal(0, 2)"
SLOPE_DIFFERENCE <- "normal(0, 3)"
variances <- c(
  set_prior("normal(0, 1.5)", class = "sd", group = "patient", coef = "Intercept"),
  set_prior("normal(0, 1.5)", class = "sd", group = "patient", coef = "years"),
  set_prior("normal(0, 1)", class = "sigma"),
  set_prior("lkj(2)", class = "cor")
)

# Two groups, midway between them; four cells by orthonormal contrasts, whose differences are sqrt(2) times as wide.
columns_of <- function(groups) {
  if (ncol(groups) == 2) return(matrix(c(-0.5, 0.5), ncol = 1))
  contr.helmert(ncol(groups)) %*% diag(1 / sqrt(colSums(contr.helmert(ncol(groups))^2))) / sqrt(2)
}

run <- function(name, rows, cells) {
  groups <- sapply(cells, function(cell) as.numeric(rows$group == cell))
  coding <- columns_of(groups)
  u <- groups %*% coding
  k <- ncol(u)
  levels <- paste0("l", seq_len(k))
  slopes <- paste0("s", seq_len(k))
  for (i in seq_len(k)) {
    rows[[levels[i]]] <- u[, i]
    rows[[slopes[i]]] <- u[, i] * rows$years
  }
  fixed <- paste(c("0 + Intercept", "years", levels, slopes), collapse = " + ")
  priors <- c(
    set_prior(LEVEL, class = "b", coef = "Intercept"),
    set_prior(SLOPE, class = "b", coef = "years"),
    do.call(c, lapply(levels, function(x) set_prior(LEVEL_DIFFERENCE, class = "b", coef = x))),
    do.call(c, lapply(slopes, function(x) set_prior(SLOPE_DIFFERENCE, class = "b", coef = x))),
    variances
  )
  fit <- brm(as.formula(paste("tasks ~", fixed, "+ (1 + years | patient)")), data = rows, family = gaussian(),
             prior = priors, chains = CHAINS, cores = 1, warmup = WARMUP, iter = WARMUP + DRAWS, seed = SEED,
             backend = "rstan", refresh = 1000, control = list(adapt_delta = 0.95, max_treedepth = 12))
  draws <- as_draws_array(fit)
  of <- function(variable) draws[, , variable, drop = TRUE]
  mean_of <- function(i, constant, names) {
    Reduce(`+`, lapply(seq_len(k), function(j) coding[i, j] * of(paste0("b_", names[j]))), of(constant))
  }
  kept <- c(
    setNames(lapply(seq_along(cells), mean_of, "b_Intercept", levels), paste0("level_", cells)),
    setNames(lapply(seq_along(cells), mean_of, "b_years", slopes), paste0("slope_", cells)),
    list(sd_Intercept = of("sd_patient__Intercept"), sd_slope = of("sd_patient__years"),
         cor = of("cor_patient__Intercept__years"), sigma = of("sigma"))
  )
  if (length(cells) == 2) {
    kept$difference <- kept[[paste0("slope_", cells[2])]] - kept[[paste0("slope_", cells[1])]]
  } else {
    kept$moderation <- kept$slope_poor_ppd - kept$slope_poor_none - kept$slope_good_ppd + kept$slope_good_none
    kept$ppd_in_poor <- kept$slope_poor_ppd - kept$slope_poor_none
  }
  summary <- lapply(kept, function(x) list(
    mean = mean(x), sd = sd(x), q2.5 = quantile2(x, 0.025, names = FALSE), q97.5 = quantile2(x, 0.975, names = FALSE),
    ess_bulk = ess_bulk(x), rhat = rhat(x), mcse_mean = mcse_mean(x), mcse_sd = mcse_sd(x),
    mcse_q2.5 = mcse_quantile(x, 0.025), mcse_q97.5 = mcse_quantile(x, 0.975)))
  nuts <- nuts_params(fit)
  list(n = nrow(rows), n_patients = length(unique(rows$patient)), cells = cells,
       divergences = sum(nuts$Value[nuts$Parameter == "divergent__"]),
       parameters = lapply(summary, function(one) lapply(one, function(v) unname(as.numeric(v)))))
}

d$group <- as.character(d$paranoid_pd)
plain <- run("tasks_ppd", d, c("0", "1"))
crossed <- d[!is.na(d$cell), ]
crossed$group <- crossed$cell
result <- list(
  versions = list(R = as.character(getRversion()), brms = as.character(packageVersion("brms")),
                  rstan = as.character(packageVersion("rstan")), stan = as.character(rstan::stan_version())),
  sampling = list(chains = CHAINS, warmup = WARMUP, draws_per_chain = DRAWS, seed = SEED),
  priors = list(level = c(4.5, 1.5), slope = c(0, 1.5), level_difference = c(0, 2), slope_difference = c(0, 3),
                sd_intercept = 1.5, sd_slope = 1.5, sigma = 1, lkj_eta = 2),
  runs = list(tasks_ppd = plain,
              tasks_outcome_ppd = run("tasks_outcome_ppd", crossed, c("good_none", "good_ppd", "poor_none", "poor_ppd")))
)
writeLines(toJSON(result, auto_unbox = TRUE, digits = NA, pretty = TRUE, null = "null", na = "null"),
           file.path(here, "contrasts.json"))
