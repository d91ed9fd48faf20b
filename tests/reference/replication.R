# Sceptical p values and replication Bayes factors of pairs of studies by the R packages ReplicationSuccess 1.3.3 and
# BayesRep 0.42.2. First argument: a folder with their R files, or "installed"; second: the file to write.
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
if (folder != "installed") {
  for (file in c("conversionHelpers.R", "pSceptical.R", "BFr.R")) source(file.path(folder, file))
} else {
  library(ReplicationSuccess)
  library(BayesRep)
}
pairs <- expand.grid(bo = c(-0.6, 0.21, 0.5), so = c(0.05, 0.2), br = c(-0.3, 0.09, 0.4), sr = c(0.05, 0.1, 0.2, 0.4))
pairs$one_sided <- with(pairs, pSceptical(zo = bo / so, zr = br / sr, c = so^2 / sr^2, type = "nominal"))
# BayesRep has the null hypothesis in the numerator.
pairs$log_factor <- with(pairs, -BFr(to = bo, so = so, tr = br, sr = sr, log = TRUE))
lines <- sprintf('{"bo": %.15g, "so": %.15g, "br": %.15g, "sr": %.15g, "one_sided": %.15g, "log_factor": %.15g}',
                 pairs$bo, pairs$so, pairs$br, pairs$sr, pairs$one_sided, pairs$log_factor)
writeLines(c("[", paste0(" ", lines, c(rep(",", length(lines) - 1), "")), "]"), arguments[2])
