# Two commands do all the set-up: `make reanalysis` and `make test`.
STUDY ?= folmo2020
.PHONY: reanalysis test check lock figures bench clean

reanalysis: ; @scripts/bootstrap && scripts/reanalyse $(STUDY)
test: ; @scripts/bootstrap && scripts/test
check: ; @scripts/bootstrap && scripts/check
lock: ; @scripts/bootstrap && scripts/lock
figures: ; @scripts/bootstrap && scripts/figures
bench: ; @scripts/bootstrap && scripts/bench
clean: ; rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache
