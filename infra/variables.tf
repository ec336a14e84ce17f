variable "subscription_id" {
  description = "Subscription that everything is made in."
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
  description = "3 to 6 small letters or digits that make the globally unique names yours, for example your company's."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]{3,6}$", var.suffix))
    error_message = "suffix must be 3 to 6 small letters or digits: a storage account's name has at most 24."
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
  description = "Identity that Airflow runs as where it cannot have a managed one (outside Azure): its object id and client id. null makes a managed identity."
  type = object({
    object_id = string
    client_id = string
  })
  default = null
}

variable "allowed_ip_addresses" {
  description = "Public IPv4 addresses from which people, Airflow and Terraform reach the Key Vault and Synapse, by a name for each."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for ip in values(var.allowed_ip_addresses) : can(cidrhost("${ip}/32", 0))])
    error_message = "allowed_ip_addresses must hold single IPv4 addresses, without a mask."
  }
}

variable "private_endpoints" {
  description = "true closes storage, Key Vault, Data Factory, Databricks and Synapse to the internet and opens them in a virtual network."
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
  description = "How long deleted files and containers of the lake can be brought back."
  type        = number
  default     = 14

  validation {
    condition     = var.soft_delete_days >= 7 && var.soft_delete_days <= 365
    error_message = "soft_delete_days must be between 7 and 365."
  }
}

variable "bronze_lifecycle" {
  description = "Days after which bronze moves to cheaper tiers, and is deleted (null keeps it for ever: it cannot be recomputed)."
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
    error_message = "bronze_lifecycle: cool comes before cold, and deletion at least 90 days after cold (Azure charges that many in any case)."
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

variable "databricks" {
  description = "What job clusters may be, and whether Unity Catalog objects are made (the workspace must have a metastore)."
  type = object({
    node_types    = optional(list(string), ["Standard_D4ds_v5", "Standard_D8ds_v5"])
    max_workers   = optional(number, 8)
    unity_catalog = optional(bool, true)
  })
  default = {}
}

variable "log_retention_days" {
  description = "How long audit and resource logs are kept."
  type        = number
  default     = 90
}

variable "budget" {
  description = "Monthly amount in the subscription's currency, its first month (2026-01-01T00:00:00Z), and who hears of 80 % and of a forecast over 100 %."
  type = object({
    amount     = number
    start_date = string
    emails     = list(string)
  })

  validation {
    condition     = var.budget.amount > 0 && length(var.budget.emails) > 0
    error_message = "budget needs a positive amount and at least one address."
  }

  validation {
    condition     = can(regex("^20[0-9]{2}-(0[1-9]|1[0-2])-01T00:00:00Z$", var.budget.start_date))
    error_message = "budget.start_date must be the first of a month, like 2026-01-01T00:00:00Z."
  }
}

variable "tags" {
  description = "Tags of every resource, beside project and environment."
  type        = map(string)
  default     = {}
}
