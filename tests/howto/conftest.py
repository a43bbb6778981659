"""What stands in ``project`` and ``flows`` runs in a folder of its own, not here."""

collect_ignore = ["flows", "project"]
