# Writes tests/reference/brms.json: posterior summaries by Stan's sampler, with
# every prior stated. MEDICATION_CSV names another copy of the medication data.

suppressMessages({
  library(brms)
  library(posterior)
  library(jsonlite)
})

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]))
medication <- read.csv(Sys.getenv("MEDICATION_CSV",
  file.path(here, "..", "..", "models", "medication", "medication_pp.csv")))
sleepstudy <- read.csv(file.path(here, "data", "sleepstudy.csv"))

CHAINS <- 4
WARMUP <- 1000
DRAWS <- 6000
SEED <- 20240611
ADAPT_DELTA <- 0.95
MAX_TREEDEPTH <- 12

# Some distributions keep Boost among the system headers, where rstan's check for
# it does not look although the compiler does.
if (!file.exists(rstan::rstan_options("boost_lib"))) {
  invisible(rstan::rstan_options(boost_lib = "/usr/include"))
}

# "0 + Intercept" rather than "1": brms would otherwise centre the columns and
# put the prior on the mean response, not on the intercept itself.
medication_priors <- c(
  set_prior("normal(150, 50)", class = "b", coef = "Intercept"),
  set_prior("normal(0, 15)", class = "b", coef = "time"),
  set_prior("normal(0, 50)", class = "b", coef = "treat"),
  set_prior("normal(0, 15)", class = "b", coef = "time:treat"),
  set_prior("normal(0, 50)", class = "sd", group = "id", coef = "Intercept"),
  set_prior("normal(0, 15)", class = "sd", group = "id", coef = "time"),
  set_prior("normal(0, 50)", class = "sigma")
)
sleep_priors <- c(
  set_prior("normal(250, 100)", class = "b", coef = "Intercept"),
  set_prior("normal(0, 30)", class = "b", coef = "Days"),
  set_prior("normal(0, 100)", class = "sd", group = "Subject", coef = "Intercept"),
  set_prior("normal(0, 30)", class = "sd", group = "Subject", coef = "Days"),
  set_prior("normal(0, 100)", class = "sigma")
)
lkj <- set_prior("lkj(2)", class = "cor")

text_medication <- list(
  Intercept = "normal(150, 50)", time = "normal(0, 15)", treat = "normal(0, 50)",
  `time:treat` = "normal(0, 15)", sd_Intercept = "half-normal(0, 50)",
  sd_time = "half-normal(0, 15)", sigma = "half-normal(0, 50)", cor = "lkj(2)"
)
text_sleep <- list(
  Intercept = "normal(250, 100)", Days = "normal(0, 30)",
  sd_Intercept = "half-normal(0, 100)", sd_Days = "half-normal(0, 30)",
  sigma = "half-normal(0, 100)", cor = "lkj(2)"
)

runs <- list(
  list(name = "medication", data = medication, group = "id", slope = "time", covariance = "UN",
       formula = pos ~ 0 + Intercept + time + treat + time:treat + (1 + time | id),
       priors = c(medication_priors, lkj), text = text_medication),
  list(name = "sleepstudy", data = sleepstudy, group = "Subject", slope = "Days", covariance = "UN",
       formula = Reaction ~ 0 + Intercept + Days + (1 + Days | Subject),
       priors = c(sleep_priors, lkj), text = text_sleep),
  list(name = "medication_vc", data = medication, group = "id", slope = "time", covariance = "VC",
       formula = pos ~ 0 + Intercept + time + treat + time:treat + (1 + time || id),
       priors = medication_priors, text = text_medication[names(text_medication) != "cor"])
)

summarise_run <- function(run) {
  message("== ", run$name)
  fit <- brm(run$formula, data = run$data, family = gaussian(), prior = run$priors,
             chains = CHAINS, cores = 1, warmup = WARMUP, iter = WARMUP + DRAWS,
             seed = SEED, backend = "rstan", refresh = 2000,
             control = list(adapt_delta = ADAPT_DELTA, max_treedepth = MAX_TREEDEPTH))
  print(prior_summary(fit))

  draws <- as_draws_array(fit)
  short <- variables(draws)
  keep <- grep("^(b_|sd_|cor_|sigma$)", short, value = TRUE)
  draws <- subset_draws(draws, variable = keep)
  tab <- summarise_draws(draws, mean = mean, sd = sd,
    ~quantile2(.x, probs = c(0.025, 0.5, 0.975)),
    ess_bulk = ess_bulk, ess_tail = ess_tail, rhat = rhat,
    mcse_mean = mcse_mean, mcse_sd = mcse_sd,
    ~mcse_quantile(.x, probs = c(0.025, 0.5, 0.975)))
  tab <- as.data.frame(tab)
  name <- tab$variable
  name <- sub("^b_", "", name)
  name <- sub(paste0("^sd_", run$group, "__"), "sd_", name)
  name <- sub("^cor_.*$", "cor", name)
  parameters <- setNames(lapply(seq_len(nrow(tab)), function(i) {
    lapply(as.list(tab[i, -1]), as.numeric)
  }), name)

  nuts <- nuts_params(fit)
  list(
    data = if (startsWith(run$name, "medication")) "models/medication/medication_pp.csv" else "tests/reference/data/sleepstudy.csv",
    formula = paste(deparse(run$formula, 500), collapse = ""),
    covariance = run$covariance, group = run$group, slope = run$slope,
    n = nrow(run$data), n_groups = length(unique(run$data[[run$group]])),
    priors = run$text,
    divergences = sum(nuts$Value[nuts$Parameter == "divergent__"]),
    max_treedepth_seen = max(nuts$Value[nuts$Parameter == "treedepth__"]),
    parameters = parameters
  )
}

result <- list(
  versions = list(R = as.character(getRversion()),
                  brms = as.character(packageVersion("brms")),
                  rstan = as.character(packageVersion("rstan")),
                  stan = as.character(rstan::stan_version()),
                  posterior = as.character(packageVersion("posterior"))),
  sampling = list(chains = CHAINS, warmup = WARMUP, draws_per_chain = DRAWS,
                  seed = SEED, adapt_delta = ADAPT_DELTA, max_treedepth = MAX_TREEDEPTH),
  runs = setNames(lapply(runs, summarise_run), vapply(runs, `[[`, "", "name"))
)
writeLines(toJSON(result, auto_unbox = TRUE, digits = NA, pretty = TRUE, null = "null", na = "null"),
           file.path(here, "brms.json"))
