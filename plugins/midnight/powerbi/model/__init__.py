"""The Power BI project ``include/powerbi/``, made from its definition, the gold contracts and the reporting views."""
