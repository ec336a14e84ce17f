# Linked services, datasets and the pipeline, from the files of include/adf/, which python -m tools.generated_files makes
# and the tests evaluate. Airflow starts runs of the pipeline and refuses one that was not deployed from its own files.

variable "configuration" {
  description = "Folder with pipeline.yml, adf/ and databricks/; MIDNIGHT_CONFIG of Airflow has the same content."
  type        = string
  default     = "../include"
}

variable "source_database" {
  description = "The source as the integration runtime's machine reaches it; null where Airflow reads it itself and Data Factory gets no pipeline."
  type = object({
    server   = string
    port     = optional(number, 5432)
    database = string
    username = string
    ssl_mode = optional(string, "verify-full")
  })
  default = null

  validation {
    condition     = contains(["disable", "allow", "prefer", "require", "verify-ca", "verify-full"], try(var.source_database.ssl_mode, "require"))
    error_message = "source_database.ssl_mode must be one of libpq's: disable, allow, prefer, require, verify-ca, verify-full."
  }
}

locals {
  adf = "${var.configuration}/adf"

  # Kind -> name -> properties.
  adf_resources = {
    for kind in ["linkedService", "dataset", "pipeline"] : kind => {
      for name in fileset("${local.adf}/${kind}", "*.json") :
      trimsuffix(name, ".json") => jsondecode(file("${local.adf}/${kind}/${name}")).properties
      if var.source_database != null
    }
  }

  # What differs between environments, in the place of the files' examples.
  adf_values = {
    midnight_key_vault = { baseUrl = azurerm_key_vault.main.vault_uri }
    midnight_lake      = { url = "https://${azurerm_storage_account.lake.primary_dfs_host}/" }
    midnight_source = {
      server   = try(var.source_database.server, null)
      port     = try(var.source_database.port, null)
      database = try(var.source_database.database, null)
      username = try(var.source_database.username, null)
      # The connector's numbers ("Copy data from PostgreSQL V2", sslMode).
      sslMode = index(["disable", "allow", "prefer", "require", "verify-ca", "verify-full"], try(var.source_database.ssl_mode, "verify-full"))
    }
  }
}

# Before the others, which refer to it.
resource "azurerm_data_factory_linked_custom_service" "key_vault" {
  for_each = { for name, service in local.adf_resources.linkedService : name => service if service.type == "AzureKeyVault" }

  name                 = each.key
  data_factory_id      = azurerm_data_factory.main.id
  type                 = each.value.type
  description          = each.value.description
  type_properties_json = jsonencode(merge(each.value.typeProperties, local.adf_values[each.key]))
}

resource "azurerm_data_factory_linked_custom_service" "main" {
  for_each = { for name, service in local.adf_resources.linkedService : name => service if service.type != "AzureKeyVault" }

  name                 = each.key
  data_factory_id      = azurerm_data_factory.main.id
  type                 = each.value.type
  description          = each.value.description
  type_properties_json = jsonencode(merge(each.value.typeProperties, local.adf_values[each.key]))

  dynamic "integration_runtime" {
    for_each = try([each.value.connectVia.referenceName], [])
    content {
      name = integration_runtime.value
    }
  }
  depends_on = [
    azurerm_data_factory_linked_custom_service.key_vault,
    azurerm_data_factory_integration_runtime_self_hosted.source,
  ]
}

resource "azurerm_data_factory_custom_dataset" "main" {
  for_each = local.adf_resources.dataset

  name                 = each.key
  data_factory_id      = azurerm_data_factory.main.id
  type                 = each.value.type
  description          = each.value.description
  folder               = each.value.folder.name
  parameters           = { for name, parameter in try(each.value.parameters, {}) : name => try(parameter.defaultValue, "") }
  type_properties_json = jsonencode(each.value.typeProperties)

  linked_service {
    name = azurerm_data_factory_linked_custom_service.main[each.value.linkedServiceName.referenceName].name
  }
}

# Last: its annotation tells Airflow that all of them are there.
resource "azurerm_data_factory_pipeline" "main" {
  for_each = local.adf_resources.pipeline

  name            = each.key
  data_factory_id = azurerm_data_factory.main.id
  description     = each.value.description
  folder          = each.value.folder.name
  annotations     = each.value.annotations
  parameters      = { for name, parameter in each.value.parameters : name => parameter.defaultValue }
  activities_json = jsonencode(each.value.activities)

  depends_on = [azurerm_data_factory_custom_dataset.main]
}
