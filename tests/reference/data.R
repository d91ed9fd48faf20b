# Writes tests/reference/data/*.csv from the R packages that hold the data.
# The medication data set is not among them: it belongs to models/medication.

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]))
out <- file.path(here, "data")
dir.create(out, showWarnings = FALSE)

sources <- list(
  sleepstudy  = list("lme4", "sleepstudy", c("Subject", "Days", "Reaction")),
  orthodont   = list("nlme", "Orthodont", c("Subject", "age", "Sex", "distance")),
  dyestuff    = list("lme4", "Dyestuff", c("Batch", "Yield")),
  dyestuff2   = list("lme4", "Dyestuff2", c("Batch", "Yield")),
  ratpup      = list("nlme", "RatPupWeight", c("Litter", "Treatment", "Lsize", "sex", "weight")),
  loblolly    = list("datasets", "Loblolly", c("Seed", "age", "height")),
  soybean     = list("nlme", "Soybean", c("Plot", "Variety", "Time", "weight")),
  glucose2    = list("nlme", "Glucose2", c("Subject", "Time", "glucose")),
  fatigue     = list("nlme", "Fatigue", c("Path", "cycles", "relLength")),
  chickweight = list("datasets", "ChickWeight", c("Chick", "Diet", "Time", "weight")),
  milk        = list("nlme", "Milk", c("Cow", "Diet", "Time", "protein")),
  radon       = list("rstanarm", "radon", c("county", "floor", "log_uranium", "log_radon")),
  bodyweight  = list("nlme", "BodyWeight", c("Rat", "Diet", "Time", "weight")),
  machines    = list("nlme", "Machines", c("Worker", "Machine", "score")),
  oats        = list("nlme", "Oats", c("Block", "Variety", "nitro", "yield")),
  ovary       = list("nlme", "Ovary", c("Mare", "Time", "follicles")),
  oxboys      = list("nlme", "Oxboys", c("Subject", "age", "height")),
  oxide       = list("nlme", "Oxide", c("Lot", "Wafer", "Source", "Thickness")),
  pastes      = list("lme4", "Pastes", c("batch", "cask", "strength")),
  penicillin  = list("lme4", "Penicillin", c("plate", "sample", "diameter")),
  pixel       = list("nlme", "Pixel", c("Dog", "Side", "day", "pixel"))
)

load_set <- function(set, package) {
  box <- new.env()
  data(list = set, package = package, envir = box)
  as.data.frame(box[[set]])
}

write_set <- function(name, d) {
  # Without this a value stored as binary noise around a short decimal would
  # change when it goes through text.
  text <- as.data.frame(lapply(d, function(x) {
    if (!is.numeric(x)) return(as.character(x))
    short <- vapply(x, function(v) format(v, digits = 15), "")
    ifelse(as.numeric(short) == x, short, vapply(x, function(v) format(v, digits = 17), ""))
  }))
  quoted <- which(!vapply(d, is.numeric, TRUE))
  path <- file.path(out, paste0(name, ".csv"))
  write.csv(text, path, row.names = FALSE, quote = quoted)

  back <- read.csv(path, colClasses = ifelse(vapply(d, is.numeric, TRUE), "numeric", "character"))
  for (v in names(d)) {
    same <- if (is.numeric(d[[v]])) all(back[[v]] == d[[v]]) else all(back[[v]] == as.character(d[[v]]))
    if (!same) stop(name, ": column ", v, " changed on the way through the file")
  }
  message(sprintf("%-12s %5d rows %7d bytes", name, nrow(d), file.size(path)))
}

# Without arguments all data sets of R's packages but fev, else those named; with the path of fev_data.rda of the package
# mmrm only that.
given <- commandArgs(TRUE)
if (length(given) && grepl("[.]rda$", given[1])) {
  load(given[1])
  d <- as.data.frame(fev_data)[c("USUBJID", "AVISIT", "ARMCD", "RACE", "SEX", "FEV1")]
  d <- d[!is.na(d$FEV1), ]
  names(d) <- c("id", "visit", "arm", "race", "sex", "fev1")
  write_set("fev", d)
} else {
  for (name in setdiff(if (length(given)) given else names(sources), "btheb")) {
    src <- sources[[name]]
    write_set(name, load_set(src[[2]], src[[1]])[src[[3]]])
  }
  if (!length(given) || "btheb" %in% given) {
    d <- load_set("BtheB", "HSAUR3")
    d$subject <- seq_len(nrow(d))
    d <- do.call(rbind, lapply(1:4, function(k) data.frame(subject = d$subject, drug = d$drug, length = d$length,
      treatment = d$treatment, bdi_pre = d$bdi.pre, visit = k, month = c(2, 3, 5, 8)[k],
      bdi = d[[paste0("bdi.", c("2m", "3m", "5m", "8m")[k])]])))
    write_set("btheb", d[!is.na(d$bdi), ])
  }
}
