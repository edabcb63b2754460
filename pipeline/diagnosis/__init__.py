"""The log doctor: the root cause out of the logs of vendor tools and containers, with the remedy.

Also the progress of a running vendor tool, and the redaction of what it left for a report.
"""

from pipeline.diagnosis.doctor import Diagnosis, Finding, diagnose
from pipeline.diagnosis.explain import explained, explanation, remarks, unusable
from pipeline.diagnosis.logs import lines
from pipeline.diagnosis.phases import Phases
from pipeline.diagnosis.rules import Rule, all_rules

__all__ = [
    "Diagnosis",
    "Finding",
    "Phases",
    "Rule",
    "all_rules",
    "diagnose",
    "explained",
    "explanation",
    "lines",
    "remarks",
    "unusable",
]
