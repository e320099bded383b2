"""One self-contained HTML file that shows what a search found and how it compares with its control arms."""

from efficient_nas.reports.data import Finalist as Finalist
from efficient_nas.reports.data import ReportData as ReportData
from efficient_nas.reports.page import render as render
from efficient_nas.reports.page import write as write
from efficient_nas.reports.supernet_data import Alphas as Alphas
from efficient_nas.reports.supernet_data import SupernetData as SupernetData
