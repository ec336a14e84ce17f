# Alerts of Azure Monitor, which also arrive when Airflow or its machine is dead (docs/alerts.md). Without a
# receiver there is no rule. What a run itself reports goes through Airflow's connections.

variable "alerts" {
  description = "Addresses that Azure Monitor's alerts are sent to; minutes that the logs may take to arrive after the deadline; for a schedule that is not daily: hours after which a publication is too old; terabytes that Synapse may read a week (weekly_limit_tb of docs/azure/synapse.md; null: no alert)."
  type = object({
    emails                  = optional(list(string), [])
    delay_minutes           = optional(number, 30)
    publication_max_hours   = optional(number)
    synapse_weekly_limit_tb = optional(number)
  })
  default = {}

  validation {
    condition     = alltrue([for address in var.alerts.emails : can(regex("^[^@\\s,;]+@[^@\\s,;]+$", address))])
    error_message = "alerts.emails must hold e-mail addresses."
  }
  validation {
    # A query of a log alert looks back 48 hours at most.
    condition     = var.alerts.publication_max_hours == null ? true : var.alerts.publication_max_hours >= 1 && var.alerts.publication_max_hours <= 47
    error_message = "alerts.publication_max_hours must be between 1 and 47."
  }
  validation {
    condition     = var.alerts.delay_minutes >= 5 && var.alerts.delay_minutes <= 240
    error_message = "alerts.delay_minutes must be between 5 and 240: logs of storage arrive some minutes later."
  }
}

variable "alert_webhooks" {
  description = "Addresses (https) that get Azure Monitor's common alert schema, by a name for each. They are secrets, and the state contains them."
  type        = map(string)
  default     = {}
  sensitive   = true

  validation {
    condition     = alltrue([for url in values(var.alert_webhooks) : startswith(url, "https://")])
    error_message = "alert_webhooks must be https addresses."
  }
}

locals {
  webhook_names = nonsensitive(toset(keys(var.alert_webhooks)))
  alerting      = length(var.alerts.emails) + length(local.webhook_names) > 0
  action_groups = azurerm_monitor_action_group.main[*].id

  # The deadline is the one of pipeline.yml, whose schedule must be daily for it: "minute hour * * *".
  pipeline   = yamldecode(file("${var.configuration}/pipeline.yml"))
  zone       = local.pipeline.schedule.timezone
  publish_by = try(regex("^\\d\\d:\\d\\d$", local.pipeline.alerts.publish_by), null)
  daily      = try(regex("^(\\d+) (\\d+) \\* \\* \\*$", local.pipeline.schedule.cron), null)

  # All in minutes of the local day. A run that is due at 22:00 for 07:00 is due the evening before.
  deadline_minute = try(tonumber(split(":", local.publish_by)[0]) * 60 + tonumber(split(":", local.publish_by)[1]), 0)
  due_minute      = try(tonumber(local.daily[1]) * 60 + tonumber(local.daily[0]), 0)
  due_before      = local.due_minute < local.deadline_minute ? local.due_minute : local.due_minute - 1440

  # The moment since which something must have been published: the run that was due before the newest deadline.
  since_due    = <<-QUERY
    let local_now = datetime_utc_to_local(now(), '${local.zone}');
    let alarm = startofday(local_now) + ${local.deadline_minute + var.alerts.delay_minutes}m;
    let day = iff(local_now >= alarm, startofday(local_now), startofday(local_now) - 1d);
    let since = datetime_local_to_utc(day + (${local.due_before}m), '${local.zone}');
  QUERY
  has_deadline = length([for part in [local.publish_by, local.daily] : part if part != null]) == 2
  since_age    = "let since = ago(${coalesce(var.alerts.publication_max_hours, 0)}h);\n"

  publication_since = (var.alerts.publication_max_hours != null ? local.since_age
    : local.has_deadline ? local.since_due : null
  )
}

resource "azurerm_monitor_action_group" "main" {
  count = local.alerting ? 1 : 0

  name                = local.name
  resource_group_name = azurerm_resource_group.main.name
  short_name          = "midnight"
  tags                = local.tags

  dynamic "email_receiver" {
    for_each = toset(var.alerts.emails)
    content {
      name                    = email_receiver.value
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }
  dynamic "webhook_receiver" {
    for_each = local.webhook_names
    content {
      name                    = webhook_receiver.value
      service_uri             = var.alert_webhooks[webhook_receiver.value]
      use_common_alert_schema = true
    }
  }
}

# --- Logs: nothing was published; a secret expires ----------------------------------------------------------------------
# Each query returns one row always, so that "no log line" is a number and not an empty answer.

locals {
  log_alerts = {
    not-published = {
      enabled     = local.publication_since != null
      severity    = 1
      every       = "PT15M"
      range       = "P2D"
      description = "No run has published in time. Also when Airflow is down. Next: docs/incidents.md, Run late."
      # write_text of the lake is one Put Blob; the category StorageWrite has it (monitoring.tf).
      query = <<-QUERY
        ${coalesce(local.publication_since, "let since = now();\n")}
        StorageBlobLogs
        | where TimeGenerated > since and OperationName == 'PutBlob' and StatusText == 'Success'
        | where Uri contains '/gold/_midnight/published.json'
        | summarize writes = count()
        | project found = iff(writes == 0, 1, 0)
      QUERY
    }
    secret-expires = {
      enabled     = true
      severity    = 2
      every       = "PT1H"
      range       = "P1D"
      description = "A secret of the Key Vault expires in 30 days, or has expired. Next: docs/azure/secrets.md."
      query       = <<-QUERY
        AzureDiagnostics
        | where ResourceProvider == 'MICROSOFT.KEYVAULT'
        | where OperationName in ('SecretNearExpiryEventGridNotification', 'SecretExpiredEventGridNotification')
        | summarize found = count()
      QUERY
    }
  }
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "main" {
  for_each = { for name, alert in local.log_alerts : name => alert if alert.enabled && local.alerting }

  name                 = "${local.name}-${each.key}"
  display_name         = "${local.name}: ${each.key}"
  description          = each.value.description
  location             = azurerm_resource_group.main.location
  resource_group_name  = azurerm_resource_group.main.name
  scopes               = [azurerm_log_analytics_workspace.main.id]
  severity             = each.value.severity
  evaluation_frequency = each.value.every
  window_duration      = each.value.every
  tags                 = local.tags

  query_time_range_override = each.value.range
  auto_mitigation_enabled   = true
  skip_query_validation     = true # a new workspace has no such table before the first log line

  criteria {
    query                   = each.value.query
    time_aggregation_method = "Maximum"
    metric_measure_column   = "found"
    operator                = "GreaterThan"
    threshold               = 0

    failing_periods {
      minimum_failing_periods_to_trigger_alert = 1
      number_of_evaluation_periods             = 1
    }
  }

  action {
    action_groups = local.action_groups
  }
}

# --- Metrics: a copy failed, the runtime is offline, Synapse reads much --------------------------------------------------

locals {
  metric_alerts = {
    copy-failed = {
      enabled     = var.source_database != null
      severity    = 2
      scope       = azurerm_data_factory.main.id
      namespace   = "Microsoft.DataFactory/factories"
      metric      = "PipelineFailedRuns"
      aggregation = "Total"
      operator    = "GreaterThan"
      threshold   = 0
      every       = "PT5M"
      window      = "PT15M"
      dimensions  = {}
      description = "A pipeline run of Data Factory has failed. Next: the log of the task ingest in Airflow."
    }
    runtime-offline = {
      enabled     = var.source_database != null
      severity    = 1
      scope       = azurerm_data_factory.main.id
      namespace   = "Microsoft.DataFactory/factories"
      metric      = "IntegrationRuntimeAvailableNodeNumber"
      aggregation = "Average"
      operator    = "LessThan"
      threshold   = 1
      every       = "PT5M"
      window      = "PT15M"
      dimensions  = { IntegrationRuntimeName = [azurerm_data_factory_integration_runtime_self_hosted.source.name] }
      description = "No machine of the integration runtime is online. Next: start its service (docs/integration-runtime.md)."
    }
    # A week over its limit has a day over a seventh of it, and this tells at 80 % of that. A metric alert looks back one
    # day at most, and the metric cannot be exported to the logs.
    synapse-limit = {
      enabled     = var.alerts.synapse_weekly_limit_tb != null
      severity    = 2
      scope       = azurerm_synapse_workspace.main.id
      namespace   = "Microsoft.Synapse/workspaces"
      metric      = "BuiltinSqlPoolDataProcessedBytes"
      aggregation = "Total"
      operator    = "GreaterThan"
      threshold   = floor(coalesce(var.alerts.synapse_weekly_limit_tb, 0) * 1000000000000 / 7 * 0.8)
      every       = "PT1H"
      window      = "P1D"
      dimensions  = {}
      description = "Queries have read more in a day than 80 % of a seventh of the weekly limit. Next: docs/azure/synapse.md."
    }
  }
}

resource "azurerm_monitor_metric_alert" "main" {
  for_each = { for name, alert in local.metric_alerts : name => alert if alert.enabled && local.alerting }

  name                = "${local.name}-${each.key}"
  description         = each.value.description
  resource_group_name = azurerm_resource_group.main.name
  scopes              = [each.value.scope]
  severity            = each.value.severity
  frequency           = each.value.every
  window_size         = each.value.window
  tags                = local.tags

  criteria {
    metric_namespace = each.value.namespace
    metric_name      = each.value.metric
    aggregation      = each.value.aggregation
    operator         = each.value.operator
    threshold        = each.value.threshold

    dynamic "dimension" {
      for_each = each.value.dimensions
      content {
        name     = dimension.key
        operator = "Include"
        values   = dimension.value
      }
    }
  }

  dynamic "action" {
    for_each = local.action_groups
    content {
      action_group_id = action.value
    }
  }
}

# --- Expiry of secrets --------------------------------------------------------------------------------------------------
# The vault publishes, and logs, its events about expiry only while they have a subscriber. The queue is that
# subscriber; its messages are not read, and are deleted after a day. The alert is the query above.

resource "azurerm_eventgrid_system_topic" "vault" {
  name                = "${local.name}-vault"
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  source_resource_id  = azurerm_key_vault.main.id
  topic_type          = "Microsoft.KeyVault.vaults"
  tags                = local.tags

  identity {
    type = "SystemAssigned"
  }
}

resource "azurerm_storage_queue" "secret_expiry" {
  name               = "secret-expiry"
  storage_account_id = azurerm_storage_account.lake.id
}

resource "azurerm_eventgrid_system_topic_event_subscription" "secret_expiry" {
  name                 = "secret-expiry"
  system_topic         = azurerm_eventgrid_system_topic.vault.name
  resource_group_name  = azurerm_resource_group.main.name
  included_event_types = ["Microsoft.KeyVault.SecretNearExpiry", "Microsoft.KeyVault.SecretExpired"]

  storage_queue_endpoint {
    storage_account_id                    = azurerm_storage_account.lake.id
    queue_name                            = azurerm_storage_queue.secret_expiry.name
    queue_message_time_to_live_in_seconds = 86400
  }
  delivery_identity {
    type = "SystemAssigned"
  }

  depends_on = [time_sleep.roles]
}
