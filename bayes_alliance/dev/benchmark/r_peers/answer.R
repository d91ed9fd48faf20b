# Shared by the programs in R: read the rows, fit, write the answer, fit again warm.
# Called as: Rscript PROGRAM.R ROWS ANSWER WARM_SECONDS WARM_FITS

arguments <- commandArgs(TRUE)
rows <- read.csv(arguments[1])
answer_path <- arguments[2]
warm_seconds <- as.numeric(arguments[3])
warm_fits <- as.integer(arguments[4])
options(mc.cores = 1)

# By hand, so that lme4's process needs no package for JSON.
as_json <- function(value) {
  if (is.null(value) || (length(value) == 1 && is.atomic(value) && is.na(value))) return("null")
  if (is.list(value)) {
    cells <- vapply(value, as_json, "")
    return(sprintf("{%s}", paste(sprintf("\"%s\": %s", names(value), cells), collapse = ", ")))
  }
  format(value, digits = 10, scientific = FALSE)
}

write_answer <- function(facts, path) {
  part <- paste0(path, ".part")
  writeLines(as_json(facts), part)
  invisible(file.rename(part, path))
}

seconds <- function(expression) {
  started <- proc.time()[["elapsed"]]
  force(expression)
  proc.time()[["elapsed"]] - started
}

# fit(first = NULL) gives a list with fit_s and, for a sampler, sampling_s, draws and ess.
run_program <- function(fit) {
  first <- fit(NULL)
  write_answer(first$facts, answer_path)
  warm <- list()
  left <- warm_seconds
  while (first$facts$fit_s <= warm_seconds && length(warm) < warm_fits && left > 0) {
    again <- fit(first)$facts
    warm[[length(warm) + 1]] <- again
    left <- left - again$fit_s
  }
  if (length(warm)) {
    middle <- function(name) median(vapply(warm, function(w) if (is.null(w[[name]])) NA_real_ else w[[name]], 0))
    write_answer(list(fit_s = middle("fit_s"), sampling_s = middle("sampling_s"), fits = length(warm)),
                 sub("\\.json$", ".warm", answer_path))
  }
}

# Bulk effective sample size of the parameters that every program reports.
sampled_facts <- function(draws, fit_s, sampling_s, wanted, contrast) {
  ess <- lapply(wanted, function(name) posterior::ess_bulk(posterior::extract_variable_matrix(draws, name)))
  names(ess) <- wanted
  slope <- as.vector(posterior::extract_variable(draws, contrast))
  list(fit_s = fit_s, sampling_s = sampling_s, draws = posterior::ndraws(draws), ess = ess,
       estimate = mean(slope), spread = sd(slope))
}
