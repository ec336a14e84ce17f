# The job, from include/databricks/job.json, which python -m tools.generated_files generates; compute, wheel and identity
# are added here. Airflow starts runs of it (CAN_MANAGE_RUN) and refuses a job that was deployed from other files or with
# the wheel of other sources.

variable "databricks_wheel" {
  description = "Path of the wheel in the workspace, as make publish-wheel prints it; empty before the first one is published: then there is no job yet."
  type        = string

  validation {
    condition     = var.databricks_wheel == "" || can(regex("^/(Workspace|Volumes)/.+/midnight_lakehouse-[^-/]+[+]g[0-9a-f]{12}-py3-none-any[.]whl$", var.databricks_wheel))
    error_message = "databricks_wheel must be a path below /Workspace/ or /Volumes/ of a wheel whose name has its content version, as make publish-wheel prints it."
  }
}

variable "databricks_job" {
  description = "Compute of the job: one new cluster for both steps (workers = 0: one machine), or serverless. Node type, pool and runtime engine are those of the cluster policy. lake_* only without Unity Catalog: the service principal with which clusters reach the lake, and <scope>/<key> of its client secret."
  type = object({
    compute             = optional(string, "job_cluster")
    spark_version       = optional(string, "18.x-scala2.13")
    workers             = optional(number, 0)
    max_workers         = optional(number, 0)
    spot                = optional(bool, true)
    environment_version = optional(string, "5")
    performance_target  = optional(string, "STANDARD")
    lake_client_id      = optional(string, "")
    lake_secret         = optional(string, "")
  })
  default = {}

  validation {
    condition     = contains(["job_cluster", "serverless"], var.databricks_job.compute)
    error_message = "databricks_job.compute must be job_cluster or serverless."
  }

  validation {
    condition     = var.databricks_job.max_workers == 0 ? true : (var.databricks_job.workers >= 1 ? var.databricks_job.max_workers > var.databricks_job.workers : false)
    error_message = "databricks_job.max_workers must be 0 (fixed size) or more than databricks_job.workers, which must be at least 1 then."
  }

  validation {
    condition     = (var.databricks_job.lake_client_id == "") == (var.databricks_job.lake_secret == "")
    error_message = "databricks_job.lake_client_id and databricks_job.lake_secret belong together."
  }

  validation {
    condition     = can(regex("^([\\w.@-]+/[\\w.-]+)?$", var.databricks_job.lake_secret))
    error_message = "databricks_job.lake_secret must be <scope>/<key> of a secret, never the secret itself."
  }
}

locals {
  job = jsondecode(file("${var.configuration}/databricks/job.json"))

  # Parameters whose values differ between environments.
  job_parameters = {
    engine      = var.databricks_job.compute == "serverless" ? "serverless" : "databricks"
    masking_key = "scope:${databricks_secret_scope.vault.name}"
  }

  job_cluster = {
    spark_version      = var.databricks_job.spark_version
    data_security_mode = var.databricks.unity_catalog ? "SINGLE_USER" : "NONE" # one principal; needed for external locations
    runtime_engine     = var.databricks.runtime_engine
    policy_id          = databricks_cluster_policy.job.id
    node_type_id       = var.databricks.instance_pool_id == null ? var.databricks.node_types[0] : null
    instance_pool_id   = var.databricks.instance_pool_id
    num_workers        = var.databricks_job.max_workers == 0 ? var.databricks_job.workers : null
    custom_tags        = var.databricks_job.workers == 0 ? { project = "midnight", ResourceClass = "SingleNode" } : { project = "midnight" }
    spark_conf = merge(
      var.databricks_job.workers == 0 ? { "spark.databricks.cluster.profile" = "singleNode", "spark.master" = "local[*]" } : {},
      var.databricks_job.lake_secret == "" ? {} : {
        # "Connect to Azure Data Lake Storage" (OAuth 2.0 with a service principal) in Azure Databricks' documentation.
        # Databricks resolves the reference; jobs, logs and the cluster's page show only the reference.
        "spark.hadoop.fs.azure.account.auth.type.${azurerm_storage_account.lake.primary_dfs_host}"              = "OAuth"
        "spark.hadoop.fs.azure.account.oauth.provider.type.${azurerm_storage_account.lake.primary_dfs_host}"    = "org.apache.hadoop.fs.azurebfs.oauth2.ClientCredsTokenProvider"
        "spark.hadoop.fs.azure.account.oauth2.client.id.${azurerm_storage_account.lake.primary_dfs_host}"       = var.databricks_job.lake_client_id
        "spark.hadoop.fs.azure.account.oauth2.client.secret.${azurerm_storage_account.lake.primary_dfs_host}"   = "{{secrets/${var.databricks_job.lake_secret}}}"
        "spark.hadoop.fs.azure.account.oauth2.client.endpoint.${azurerm_storage_account.lake.primary_dfs_host}" = "https://login.microsoftonline.com/${data.azurerm_client_config.caller.tenant_id}/oauth2/token"
      },
    )
  }
  # The first machine is the driver: its loss would end the run. The part of a lost worker is computed again, and no
  # table changes before the driver's commit. -1: a machine is never evicted for its price. A pool has its own setting.
  job_machines = var.databricks.instance_pool_id != null ? [] : [{
    first_on_demand    = 1
    availability       = var.databricks_job.spot && var.databricks_job.workers > 0 ? "SPOT_WITH_FALLBACK_AZURE" : "ON_DEMAND_AZURE"
    spot_bid_max_price = var.databricks_job.spot && var.databricks_job.workers > 0 ? -1 : null
  }]
}

resource "databricks_job" "main" {
  count = var.databricks_wheel == "" ? 0 : 1

  name                = local.job.name
  description         = local.job.description
  max_concurrent_runs = local.job.max_concurrent_runs
  tags                = local.tags
  performance_target  = var.databricks_job.compute == "serverless" ? var.databricks_job.performance_target : null

  queue {
    enabled = local.job.queue.enabled
  }

  run_as {
    service_principal_name = databricks_service_principal.airflow.application_id
  }

  dynamic "parameter" {
    for_each = local.job.parameters
    content {
      name    = parameter.value.name
      default = lookup(local.job_parameters, parameter.value.name, parameter.value.default)
    }
  }

  dynamic "job_cluster" {
    for_each = var.databricks_job.compute == "serverless" ? [] : [local.job_cluster]
    content {
      job_cluster_key = local.job.name

      new_cluster {
        spark_version      = job_cluster.value.spark_version
        data_security_mode = job_cluster.value.data_security_mode
        runtime_engine     = job_cluster.value.runtime_engine
        policy_id          = job_cluster.value.policy_id
        node_type_id       = job_cluster.value.node_type_id
        instance_pool_id   = job_cluster.value.instance_pool_id
        num_workers        = job_cluster.value.num_workers
        custom_tags        = job_cluster.value.custom_tags
        spark_conf         = job_cluster.value.spark_conf

        dynamic "autoscale" {
          for_each = var.databricks_job.max_workers == 0 ? [] : [var.databricks_job]
          content {
            min_workers = autoscale.value.workers
            max_workers = autoscale.value.max_workers
          }
        }
        dynamic "azure_attributes" {
          for_each = local.job_machines
          content {
            first_on_demand    = azure_attributes.value.first_on_demand
            availability       = azure_attributes.value.availability
            spot_bid_max_price = azure_attributes.value.spot_bid_max_price
          }
        }
      }
    }
  }

  dynamic "environment" {
    for_each = var.databricks_job.compute == "serverless" ? [var.databricks_job.environment_version] : []
    content {
      environment_key = local.job.name

      spec {
        environment_version = environment.value
        dependencies        = [var.databricks_wheel]
      }
    }
  }

  dynamic "task" {
    for_each = local.job.tasks
    content {
      task_key        = task.value.task_key
      max_retries     = task.value.max_retries
      timeout_seconds = task.value.timeout_seconds
      job_cluster_key = var.databricks_job.compute == "serverless" ? null : local.job.name
      environment_key = var.databricks_job.compute == "serverless" ? local.job.name : null
      # Otherwise serverless retries a failed step up to three times.
      disable_auto_optimization = var.databricks_job.compute == "serverless" ? true : null

      dynamic "depends_on" {
        for_each = try(task.value.depends_on, [])
        content {
          task_key = depends_on.value.task_key
        }
      }
      dynamic "library" {
        for_each = var.databricks_job.compute == "serverless" ? [] : [var.databricks_wheel]
        content {
          whl = library.value
        }
      }
      python_wheel_task {
        package_name = task.value.python_wheel_task.package_name
        entry_point  = task.value.python_wheel_task.entry_point
        parameters   = task.value.python_wheel_task.parameters
      }
    }
  }

  depends_on = [
    databricks_permissions.job_policy,
    databricks_permissions.wheels,
    azurerm_private_endpoint.main,
    azurerm_private_dns_zone_virtual_network_link.main,
  ]
}

resource "databricks_permissions" "job" {
  count  = length(databricks_job.main)
  job_id = databricks_job.main[0].id

  dynamic "access_control" {
    for_each = contains([for grant in local.databricks_grants : grant.principal if grant.permission == "job_manage_run"], "airflow") ? [databricks_service_principal.airflow.application_id] : []
    content {
      service_principal_name = access_control.value
      permission_level       = "CAN_MANAGE_RUN"
    }
  }

  depends_on = [
    databricks_permission_assignment.airflow,
    azurerm_private_endpoint.main,
    azurerm_private_dns_zone_virtual_network_link.main,
  ]
}
