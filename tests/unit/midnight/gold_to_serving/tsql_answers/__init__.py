"""Results of T-SQL by construct, each with the page of Microsoft's documentation.

A page is named by its path below https://learn.microsoft.com/sql (its source is docs/ in MicrosoftDocs/sql-docs), or
for .NET below https://learn.microsoft.com. The collation is that of Midnight's database, Latin1_General_100_BIN2_UTF8.
"""
