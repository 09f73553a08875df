# Rscript benchmarks/race/export.R FOLDER writes the tables of tables.py as CSV, from data that Debian's R packages hold.
folder <- commandArgs(trailingOnly = TRUE)[1]
dir.create(folder, showWarnings = FALSE, recursive = TRUE)
write <- function(name, d) write.csv(as.data.frame(d), file.path(folder, paste0(name, ".csv")), row.names = FALSE, na = "")
from <- function(package, item, name = tolower(item)) {
  e <- new.env()
  data(list = item, package = package, envir = e)
  write(name, if (exists(item, e, inherits = FALSE)) get(item, e) else getExportedValue(package, item))
}
from("mlbench", "LetterRecognition", "letter"); from("mlbench", "Vehicle"); from("mlbench", "PimaIndiansDiabetes2", "pima")
from("mlbench", "BostonHousing2", "boston"); from("mlbench", "Vowel"); from("kernlab", "spam")
from("ggplot2", "diamonds"); from("AER", "CPS1988", "aer_CPS1988")
for (n in c("ames", "attrition", "car_prices", "Chicago", "concrete", "credit_data", "hpc_data", "mlc_churn")) from("modeldata", n, paste0("md_", n))
# held back: no choice of Backlit's was made on these
from("mlbench", "Satellite"); from("mlbench", "DNA"); from("mlbench", "Soybean")
from("AER", "HMDA"); from("AER", "PSID7682")
for (n in c("lending_club", "cells", "wa_churn", "Sacramento", "biomass", "stackoverflow")) from("modeldata", n, paste0("md_", n))
from("ggplot2", "txhousing")
