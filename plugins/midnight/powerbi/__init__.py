"""Publishes the Power BI model and report through the REST APIs of Fabric and Power BI."""
