# Two commands do all the set-up: `make reanalysis` and `make test`; `make quick` is the short route while working.
STUDY ?= folmo2020
.PHONY: reanalysis test quick lowest wheel check lock figures bench clean

reanalysis: ; @scripts/bootstrap && scripts/reanalyse $(STUDY)
test: ; @scripts/bootstrap && scripts/test
quick: ; @scripts/bootstrap && scripts/quick
lowest: ; @scripts/lowest
wheel: ; @scripts/try_wheel
check: ; @scripts/bootstrap && scripts/check
lock: ; @scripts/bootstrap && scripts/lock
figures: ; @scripts/bootstrap && scripts/figures
bench: ; @scripts/bootstrap && scripts/bench
clean: ; rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache
