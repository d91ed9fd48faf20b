# rstanarm with its default priors and sampler; its models come compiled.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]))
source(file.path(here, "answer.R"))
suppressMessages(library(rstanarm))

# It reports variances and the covariance; the effective sample sizes are theirs.
wanted <- c("(Intercept)", "months", "poor_outcome", "months:poor_outcome", "sigma",
            "Sigma[patient:(Intercept),(Intercept)]", "Sigma[patient:months,(Intercept)]",
            "Sigma[patient:months,months]")

run_program(function(first) {
  found <- NULL
  fit_s <- seconds(capture.output(found <- suppressWarnings(suppressMessages(stan_lmer(
    tasks ~ months + poor_outcome + months:poor_outcome + (months | patient), rows,
    chains = 4, cores = 1, iter = 2000, seed = 1, refresh = 0)))))
  sampling_s <- sum(rstan::get_elapsed_time(found$stanfit))
  list(facts = sampled_facts(
    posterior::as_draws_array(as.array(found)), fit_s, sampling_s, wanted, "months:poor_outcome"))
})
