# Reads a data set of tests/reference/data with the columns that the models of structures.R and kenward.R need; the
# same columns are made in tests/inference/test_lmm_reference.py.

read <- function(name) {
  folder <- if (name == "egsingle") file.path("..", "..", "models", name) else "data"  # a study that ships
  d <- read.csv(file.path(here, folder, paste0(name, ".csv")), stringsAsFactors = FALSE)
  if (name == "btheb") d$treatment <- factor(d$treatment)
  if (name == "bodyweight") { d$visit <- match(d$Time, sort(unique(d$Time))); d$Diet <- factor(d$Diet, levels = 1:3) }
  if (name == "orthodont") { d$visit <- (d$age - 6) / 2; d$Sex <- factor(d$Sex) }
  if (name == "oxboys") { d$age2 <- d$age^2; d$age3 <- d$age^3; d$visit <- ave(d$age, d$Subject, FUN = seq_along) }
  if (name == "machines") { d$A <- +(d$Machine == "A"); d$B <- +(d$Machine == "B"); d$C <- +(d$Machine == "C") }
  if (name == "milk") { d$Diet <- factor(d$Diet); d$t <- d$Time - 10; d$t2 <- d$t^2 / 10 }
  if (name == "oxide") { d$late <- +(d$Source == 2); d$wafer <- paste(d$Lot, d$Wafer) }
  if (name == "pastes") { d$some <- +(d$batch %in% c("A", "B", "C", "D", "E")); d$sample <- paste(d$batch, d$cask) }
  if (name == "oats") { d$Variety <- factor(d$Variety); d$victory <- +(d$Variety == "Victory"); d$plot <- paste(d$Block, d$Variety) }
  if (name == "ovary") { d$s <- sin(2 * pi * d$Time); d$c <- cos(2 * pi * d$Time); d$visit <- ave(d$Time, d$Mare, FUN = seq_along) }
  if (name == "pixel") d$day2 <- d$day^2
  if (name == "sleepstudy") { d$late <- pmax(d$Days - 5, 0); d$visit <- d$Days + 1 }
  d
}
