variable "subscription_id" {
  description = "Subscription of all resources."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$", var.subscription_id))
    error_message = "subscription_id must be a GUID in lower case; az account show --query id prints it."
  }
}

variable "environment" {
  description = "dev or prod: part of every name, and the column of the access matrix that is applied."
  type        = string

  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "environment must be dev or prod."
  }
}

variable "location" {
  description = "Azure region, for example westeurope."
  type        = string
}

variable "suffix" {
  description = "3 to 6 lower-case letters or digits that make the global names unique, for example your company's."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]{3,6}$", var.suffix))
    error_message = "suffix must be 3 to 6 lower-case letters or digits: a storage account's name has at most 24."
  }
}

variable "groups" {
  description = "Object ids of the three Entra groups of the access matrix."
  type = object({
    admins    = string
    engineers = string
    readers   = string
  })

  validation {
    condition = alltrue([
      for id in values(var.groups) : can(regex("^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$", id))
    ])
    error_message = "each group must be an object id (GUID in lower case); az ad group show --group NAME --query id prints it."
  }

  validation {
    condition     = length(distinct(values(var.groups))) == 3
    error_message = "the three groups must differ: one group in two roles would have the rights of both."
  }
}

variable "airflow_service_principal" {
  description = "Identity that Airflow runs as outside Azure: object id and client id of its service principal. null creates managed identities instead."
  type = object({
    object_id = string
    client_id = string
  })
  default = null
}

variable "allowed_ip_addresses" {
  description = "Public IPv4 addresses from which people, Airflow, the integration runtime and Terraform reach the Key Vault and Synapse, by a name for each."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for ip in values(var.allowed_ip_addresses) : can(cidrhost("${ip}/32", 0))])
    error_message = "allowed_ip_addresses must hold single IPv4 addresses, without a mask."
  }
}

variable "private_endpoints" {
  description = "true blocks access to storage, Key Vault, Data Factory, Databricks and Synapse from the internet, and allows it from a virtual network."
  type        = bool
  default     = false
}

variable "network_address_space" {
  description = "Address space of that virtual network, /22 or larger; it must not overlap the company's network."
  type        = string
  default     = "10.90.0.0/22"

  validation {
    condition     = try(cidrsubnet(var.network_address_space, 2, 3) != "" && tonumber(split("/", var.network_address_space)[1]) <= 22, false)
    error_message = "network_address_space must be a CIDR block of /22 or larger, for example 10.90.0.0/22."
  }
}

variable "existing_network" {
  description = "With private_endpoints: the company's network instead of a new one. Ids of the network, of a subnet for endpoints, of two subnets that are delegated to Microsoft.Databricks/workspaces and have a network security group, and of the private DNS zones by name ({} where Azure Policy writes the records)."
  type = object({
    virtual_network_id             = string
    endpoints_subnet_id            = string
    databricks_host_subnet_id      = string
    databricks_container_subnet_id = string
    private_dns_zone_ids           = optional(map(string), {})
  })
  default = null

  validation {
    condition     = var.existing_network == null ? true : var.private_endpoints
    error_message = "existing_network is used with private_endpoints = true only."
  }

  validation {
    condition = var.existing_network == null ? true : alltrue([
      for id in [
        var.existing_network.endpoints_subnet_id,
        var.existing_network.databricks_host_subnet_id,
        var.existing_network.databricks_container_subnet_id,
      ] : startswith(lower(id), "${lower(var.existing_network.virtual_network_id)}/subnets/")
    ])
    error_message = "existing_network: the three subnets must be subnets of virtual_network_id (…/virtualNetworks/NAME/subnets/NAME)."
  }
}

variable "storage_replication" {
  description = "Replication of the lake. ZRS survives the loss of a data centre; bronze cannot be recomputed."
  type        = string
  default     = "ZRS"

  validation {
    condition     = contains(["LRS", "ZRS", "GRS", "GZRS"], var.storage_replication)
    error_message = "storage_replication must be LRS, ZRS, GRS or GZRS."
  }
}

variable "soft_delete_days" {
  description = "Days for which deleted files and containers of the lake can be restored."
  type        = number
  default     = 14

  validation {
    condition     = var.soft_delete_days >= 7 && var.soft_delete_days <= 365
    error_message = "soft_delete_days must be between 7 and 365."
  }
}

variable "bronze_lifecycle" {
  description = "Days after which bronze moves to cheaper tiers, and is deleted (null keeps it forever: it cannot be recomputed)."
  type = object({
    cool_after_days   = optional(number, 30)
    cold_after_days   = optional(number, 90)
    delete_after_days = optional(number)
  })
  default = {}

  validation {
    condition = (
      var.bronze_lifecycle.cool_after_days < var.bronze_lifecycle.cold_after_days &&
      coalesce(var.bronze_lifecycle.delete_after_days, 100000) > var.bronze_lifecycle.cold_after_days + 90
    )
    error_message = "bronze_lifecycle: cool comes before cold, and deletion at least 90 days after cold (Azure charges for 90 days in any case)."
  }
}

variable "databricks_service_object_id" {
  description = "Object id of Microsoft's application AzureDatabricks in your tenant, through which a Databricks secret scope reads the vault."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$", var.databricks_service_object_id))
    error_message = "databricks_service_object_id must be a GUID in lower case; az ad sp show --id 2ff814a6-3304-4ab8-85cb-cd0e6f879c1d --query id prints it."
  }
}

variable "databricks_account_id" {
  description = "Id of the Databricks account (account console, menu of the user's name), which contains groups and service principals."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$", var.databricks_account_id))
    error_message = "databricks_account_id must be a GUID in lower case; the account console shows it below the user's name."
  }
}

variable "databricks" {
  description = "Limits of job clusters, and whether Unity Catalog objects are created (the workspace must have a metastore). The default is one machine of 4 vCPU, which the quota of a new subscription allows."
  type = object({
    node_types       = optional(list(string), ["Standard_D4ds_v5"])
    max_workers      = optional(number, 0)
    instance_pool_id = optional(string) # if set, all machines come from it, and node_types is ignored
    runtime_engine   = optional(string, "STANDARD")
    unity_catalog    = optional(bool, true)
  })
  default = {}

  validation {
    condition     = contains(["STANDARD", "PHOTON"], var.databricks.runtime_engine)
    error_message = "databricks.runtime_engine must be STANDARD or PHOTON."
  }
}

variable "logs" {
  description = "Retention of audit and resource logs in days, and the daily ingestion limit in gigabytes."
  type = object({
    retention_days = optional(number, 90)
    daily_quota_gb = optional(number, 0.5)
  })
  default = {}

  validation {
    condition     = var.logs.retention_days >= 30 && var.logs.retention_days <= 730 && var.logs.daily_quota_gb > 0
    error_message = "logs: retention_days must be between 30 and 730, and daily_quota_gb more than 0."
  }
}

variable "budget" {
  description = "Monthly amount in the subscription's currency for the environment's three resource groups, and the addresses that are notified at 80 % and at a forecast over 100 %."
  type = object({
    amount = number
    emails = list(string)
  })

  validation {
    condition     = var.budget.amount > 0 && length(var.budget.emails) > 0
    error_message = "budget needs a positive amount and at least one address."
  }
}

variable "tags" {
  description = "Tags of every resource, in addition to project and environment."
  type        = map(string)
  default     = {}
}
