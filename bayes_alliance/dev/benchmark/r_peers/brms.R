# brms with its default priors and sampler; the first fit compiles, warm ones reuse what was compiled.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]))
source(file.path(here, "answer.R"))
suppressMessages(library(brms))

# Some distributions keep Boost among the system headers, where rstan's check for
# it does not look although the compiler does.
if (!file.exists(rstan::rstan_options("boost_lib"))) {
  invisible(rstan::rstan_options(boost_lib = "/usr/include"))
}

wanted <- c("b_Intercept", "b_months", "b_poor_outcome", "b_months:poor_outcome",
            "sd_patient__Intercept", "sd_patient__months", "cor_patient__Intercept__months", "sigma")

run_program(function(first) {
  found <- NULL
  fit_s <- seconds(capture.output(found <- suppressWarnings(suppressMessages(brm(
    tasks ~ months + poor_outcome + months:poor_outcome + (months | patient), rows,
    chains = 4, cores = 1, iter = 2000, seed = 1, refresh = 0,
    fit = if (is.null(first)) NA else first$found)))))
  sampling_s <- sum(rstan::get_elapsed_time(found$fit))
  list(found = found, facts = sampled_facts(
    posterior::as_draws_array(found), fit_s, sampling_s, wanted, "b_months:poor_outcome"))
})
