# Writes stan.json: posteriors by brms, and by rstan where brms 2.18 lacks the residual structure (residuals.stan).
# Rscript tests/reference/stan.R [MODEL ...], by default all of stan_priors.json, whose priors it has.

suppressMessages({ library(brms); library(posterior); library(jsonlite) })

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]))
source(file.path(here, "read.R"))
MODELS <- fromJSON(file.path(here, "stan_priors.json"), simplifyDataFrame = FALSE)
CHAINS <- 4; WARMUP <- 1000; DRAWS <- 2000; SEED <- 20240611; ADAPT_DELTA <- 0.9

# Some distributions keep Boost among the system headers, where rstan's check for
# it does not look although the compiler does.
if (!file.exists(rstan::rstan_options("boost_lib"))) invisible(rstan::rstan_options(boost_lib = "/usr/include"))

# Processor time (user) of this process and of those it waited for, such as the compiler.
spent <- function(expression) { start <- proc.time(); force(expression); sum((proc.time() - start)[c(1, 4)]) }

# What takes a minute to compile is kept in the folder STAN_CACHE, if one is named, with the time that it took.
compile <- function(name, make) {
  file <- file.path(Sys.getenv("STAN_CACHE"), paste0(name, ".rds"))
  if (nzchar(Sys.getenv("STAN_CACHE")) && file.exists(file)) return(readRDS(file))
  made <- NULL
  seconds <- spent(made <- make())
  one <- list(made = made, seconds = seconds)
  if (nzchar(Sys.getenv("STAN_CACHE"))) saveRDS(one, file)
  one
}
inside <- function(text) sub("\\)$", "", sub("^[^(]*\\(", "", text))

# The columns of a model: outcome, fixed coefficients named as ours, random columns at their reference, groups.
columns <- function(model) {
  d <- read(model$data)
  if (model$data %in% c("orthodont", "btheb")) { d$number <- d$visit; d$visit <- factor(paste0("v", d$visit)) }
  if (model$data == "pixel") d$`Dog:Side` <- paste(d$Dog, d$Side)
  sides <- strsplit(model$formula, " ~ ")[[1]]
  fixed <- gsub(" *\\+ *\\([^)]*\\)", "", sides[2])
  x <- model.matrix(as.formula(paste("~", fixed)), d)
  ours <- sub("(Intercept)", "Intercept", fixed = TRUE, gsub("[][]", "", model$coefficients))
  colnames(x)[1] <- "Intercept"
  stopifnot(setequal(colnames(x), ours))
  x <- x[, ours, drop = FALSE]
  colnames(x) <- paste0("x", seq_along(ours))
  out <- data.frame(y = d[[sides[1]]], x)
  for (k in seq_along(model$levels)) {
    level <- model$levels[[k]]
    z <- sapply(level$columns, function(name) if (name == "Intercept") rep(1, nrow(d)) else d[[name]])
    z <- matrix(z, nrow(d)) %*% matrix(unlist(level$shift), length(level$columns))
    colnames(z) <- paste0("z", k, seq_along(level$columns))
    out <- cbind(out, z)
    out[[paste0("g", k)]] <- factor(d[[names(model$levels)[k]]])
  }
  keep <- setdiff(names(d), names(out))
  cbind(out, d[keep])
}

by_brms <- function(model) {
  d <- columns(model)
  p <- length(model$coefficients)
  text <- paste("y ~ 0 +", paste0("x", 1:p, collapse = " + "))
  priors <- set_prior("multi_normal(prior_mean, prior_cov)", class = "b")
  code <- character()
  for (k in seq_along(model$levels)) {
    level <- model$levels[[k]]
    own <- paste0("z", k, seq_along(level$columns))
    text <- paste(text, "+ (0 +", paste(own, collapse = " + "), if (level$correlated) "|" else "||", paste0("g", k, ")"))
    for (j in seq_along(own)) priors <- priors +
      set_prior(sprintf("normal(0, %.17g)", level$scale[j]), class = "sd", coef = own[j], group = paste0("g", k))
  }
  if (any(sapply(model$levels, function(one) one$correlated && length(one$columns) > 1)))
    priors <- priors + set_prior(sprintf("lkj(%.17g)", model$lkj_eta), class = "cor")
  residual <- sub("\\(.*", "", model$residual)
  on <- inside(model$residual)
  stop_at <- paste(model$patient)
  if (residual == "ar1") text <- paste0(text, " + ar(time = ", on, ", gr = ", stop_at, ", p = 1, cov = TRUE)")
  if (residual == "cs") text <- paste0(text, " + cosy(time = ", model$time, ", gr = ", stop_at, ")")
  formula <- if (residual == "var") bf(text, paste("sigma ~ 0 +", on)) else bf(text)
  half_normal <- sprintf("normal(0, %.17g)", model$sigma)
  if (residual == "ar1") {
    # brms's sigma is the SD of innovations; the prior is of the SD of a residual.
    priors <- priors + set_prior("", class = "sigma")
    code <- sprintf("target += normal_lpdf(sigma / sqrt(1 - square(ar[1])) | 0, %.17g) - 0.5 * log1m(square(ar[1]));", model$sigma)
  } else if (residual == "var") {
    # brms has log SDs.
    code <- sprintf("target += normal_lpdf(exp(b_sigma) | 0, %.17g) + sum(b_sigma);", model$sigma)
  } else {
    priors <- priors + set_prior(half_normal, class = "sigma")
  }
  given <- stanvar(as.array(as.numeric(model$mean)), "prior_mean", scode = "vector[K] prior_mean;") +
    stanvar(matrix(unlist(model$covariance), p), "prior_cov", scode = "matrix[K, K] prior_cov;")
  if (length(code)) given <- given + stanvar(scode = code, block = "model")
  compiled <- compile(model$name, function() brm(formula, d, prior = priors, stanvars = given, chains = 0, backend = "rstan"))
  fit <- NULL
  sampling <- spent(fit <- update(compiled$made, recompile = FALSE, chains = CHAINS, cores = 1, warmup = WARMUP,
    iter = WARMUP + DRAWS, seed = SEED, refresh = 0, control = list(adapt_delta = ADAPT_DELTA)))
  draws <- as_draws_array(fit)
  take <- function(name) extract_variable_matrix(draws, name)
  out <- setNames(lapply(1:p, function(k) take(paste0("b_x", k))), model$coefficients)
  for (k in seq_along(model$levels)) out <- c(out, random_parameters(take, k, model$levels[[k]], names(model$levels)[k]))
  if (residual == "ar1") {
    out[["cor residual (one visit apart)"]] <- take("ar[1]")
    out[["sd residual"]] <- take("sigma") / sqrt(1 - take("ar[1]")^2)
  } else if (residual == "var") {
    for (g in sort(unique(as.character(d[[on]])))) out[[sprintf("sd residual (%s %s)", on, g)]] <- exp(take(paste0("b_sigma_", on, g)))
  } else {
    if (residual == "cs") out[["cor residual (any two visits)"]] <- take("cosy")
    out[["sd residual"]] <- take("sigma")
  }
  nuts <- nuts_params(fit)
  list(program = "brms", formula = paste(text, if (residual == "var") paste(", sigma ~ 0 +", on) else ""), draws = out,
    compiling = compiled$seconds, sampling = sampling, divergent = sum(nuts$Value[nuts$Parameter == "divergent__"]))
}

# SDs and correlations of effects on the columns of our formula: the sampler's are at the reference.
random_parameters <- function(take, k, level, group) {
  q <- length(level$columns)
  own <- paste0("z", k, 1:q)
  sd <- lapply(own, function(one) take(sprintf("sd_g%d__%s", k, one)))
  cor <- function(i, j) if (i == j) 1 else if (!level$correlated) 0 else take(sprintf("cor_g%d__%s__%s", k, own[min(i, j)], own[max(i, j)]))
  shift <- matrix(unlist(level$shift), q)
  cov <- function(a, b) Reduce(`+`, lapply(1:q, function(i) Reduce(`+`, lapply(1:q, function(j)
    shift[a, i] * shift[b, j] * sd[[i]] * sd[[j]] * cor(i, j)))))
  out <- list()
  for (a in 1:q) out[[sprintf("sd %s | %s", level$columns[a], group)]] <- sqrt(cov(a, a))
  if (level$correlated) for (a in seq_len(q)) for (b in seq_len(a - 1))
    out[[sprintf("cor %s, %s | %s", level$columns[b], level$columns[a], group)]] <- cov(a, b) / sqrt(cov(a, a) * cov(b, b))
  out
}

by_rstan <- function(model) {
  d <- columns(model)
  p <- length(model$coefficients)
  residual <- sub("\\(.*", "", model$residual)
  kind <- match(residual, c("un", "toep", "car1"))
  d$patient <- d[[model$patient]]
  d$group <- if (kind == 1) d$number else 1
  d <- d[order(d$patient, d$number), ]
  pattern <- tapply(d$number, d$patient, paste, collapse = " ")[as.character(d$patient)]
  d <- d[order(pattern, d$patient, d$number), ]
  pattern <- sort(pattern)
  runs <- rle(as.vector(pattern))
  visits <- lengths(strsplit(runs$values, " "))
  given <- list(N = nrow(d), K = p, X = as.matrix(d[paste0("x", 1:p)]), Y = d$y, prior_mean = model$mean,
    prior_cov = matrix(unlist(model$covariance), p), kind = kind, m = max(d$number), P = length(visits),
    visits = as.array(visits), patients = as.array(as.integer(runs$lengths / visits)),
    first = as.array(cumsum(c(1, runs$lengths))[seq_along(visits)]), visit = as.integer(d$number),
    time = d[[model$time]] / model$gap, G = max(d$group), group = as.integer(d$group), sigma_scale = model$sigma, lkj_eta = model$lkj_eta)
  compiled <- compile("residuals", function() rstan::stan_model(file.path(here, "residuals.stan"), auto_write = FALSE))
  fit <- NULL
  sampling <- spent(fit <- rstan::sampling(compiled$made, given, chains = CHAINS, cores = 1, warmup = WARMUP,
    iter = WARMUP + DRAWS, seed = SEED, refresh = 0, control = list(adapt_delta = ADAPT_DELTA)))
  draws <- as_draws_array(fit)
  take <- function(name) extract_variable_matrix(draws, name)
  out <- setNames(lapply(1:p, function(k) take(sprintf("b[%d]", k))), model$coefficients)
  label <- paste0("v", seq_len(given$m))
  if (kind == 1) for (i in seq_len(given$m)) for (j in seq_len(i - 1))
    out[[sprintf("cor residual (%s, %s)", label[j], label[i])]] <- take(sprintf("correlation[%d,%d]", i, j))
  if (kind == 2) for (k in seq_len(given$m - 1)) out[[sprintf("cor residual (lag %d)", k)]] <- take(sprintf("lags[%d]", k + 1))
  if (kind == 3) out[[sprintf("cor residual (over %g of %s)", model$gap, model$time)]] <- take("rho[1]")
  for (g in seq_len(given$G))
    out[[if (kind == 1) sprintf("sd residual (visit %s)", label[g]) else "sd residual"]] <- take(sprintf("sigma[%d]", g))
  list(program = "rstan", formula = "residuals.stan", draws = out, compiling = compiled$seconds, sampling = sampling,
    divergent = sum(sapply(rstan::get_sampler_params(fit, FALSE), function(one) sum(one[, "divergent__"]))))
}

summarise <- function(found) {
  posterior <- lapply(found$draws, function(x) list(mean = mean(x), sd = sd(x), mcse_mean = mcse_mean(x),
    mcse_sd = mcse_sd(x), ess_bulk = ess_bulk(x), rhat = rhat(x)))
  list(program = found$program, formula = found$formula, posterior = posterior, divergent = found$divergent,
    ess_bulk_min = min(sapply(posterior, `[[`, "ess_bulk")), rhat_max = max(sapply(posterior, `[[`, "rhat")),
    compile_s = found$compiling, sampling_s = found$sampling)
}

path <- file.path(here, "stan.json")
asked <- commandArgs(TRUE)
for (name in if (length(asked)) asked else names(MODELS)) {
  model <- c(MODELS[[name]], name = name)
  by <- if (sub("\\(.*", "", model$residual) %in% c("un", "toep", "car1")) by_rstan else by_brms
  one <- summarise(by(model))
  message(sprintf("%s: %s, least ESS %.0f, worst R-hat %.4f, %d divergent, %.1f s compiling, %.1f s sampling", name,
    one$program, one$ess_bulk_min, one$rhat_max, one$divergent, one$compile_s, one$sampling_s))
  # Read only now: another process may have written meanwhile.
  answers <- if (file.exists(path)) fromJSON(path, simplifyVector = FALSE) else list()
  answers$versions <- list(R = as.character(getRversion()), brms = as.character(packageVersion("brms")),
    rstan = as.character(packageVersion("rstan")), stan = as.character(rstan::stan_version()), posterior = as.character(packageVersion("posterior")))
  answers$sampling <- list(chains = CHAINS, warmup = WARMUP, draws_per_chain = DRAWS, seed = SEED, adapt_delta = ADAPT_DELTA)
  answers$models[[name]] <- one
  write(toJSON(answers, auto_unbox = TRUE, digits = NA, pretty = 1), path)
}
