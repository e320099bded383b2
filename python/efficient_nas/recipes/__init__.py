"""Whole searches: configs, `nas.search`, `nas.load_run`. The only place that names concrete classes."""

from efficient_nas.recipes.config_loading import load_config as load_config
from efficient_nas.recipes.exporting import export_run as export_run
from efficient_nas.recipes.progress import Observer as Observer
from efficient_nas.recipes.progress import Progress as Progress
from efficient_nas.recipes.reporting import write_report as write_report
from efficient_nas.recipes.run import Found as Found
from efficient_nas.recipes.run import Run as Run
from efficient_nas.recipes.run import load_run as load_run
from efficient_nas.recipes.whole_search import search as search
