terraform {
  # 1.11 is the first version with write-only arguments (key_vault.tf).
  required_version = ">= 1.11, < 2.0"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.10"
    }
    databricks = {
      source  = "databricks/databricks"
      version = "~> 1.138"
    }
    time = {
      source  = "hashicorp/time"
      version = "~> 0.14"
    }
  }

  # The storage account is named at init (docs/azure/terraform.md). The state is read with the caller's Entra identity.
  backend "azurerm" {
    container_name   = "tfstate"
    use_azuread_auth = true
  }
}

provider "azurerm" {
  subscription_id                 = var.subscription_id
  storage_use_azuread             = true   # the lake has no shared keys
  resource_provider_registrations = "none" # docs/azure/prerequisites.md registers them

  features {
    key_vault {
      # Purge protection forbids purging; a deleted vault or secret of the same name is recovered.
      purge_soft_delete_on_destroy          = false
      purge_soft_deleted_secrets_on_destroy = false
      recover_soft_deleted_key_vaults       = true
      recover_soft_deleted_secrets          = true
    }
    log_analytics_workspace {
      permanently_delete_on_destroy = false # audit logs can be recovered for 14 days
    }
    resource_group {
      prevent_deletion_if_contains_resources = true
    }
  }
}

# The workspace: policies, permissions, the lake's credential and locations.
provider "databricks" {
  host                        = azurerm_databricks_workspace.main.workspace_url
  azure_workspace_resource_id = azurerm_databricks_workspace.main.id
}

# The account: groups and service principals, which all workspaces of the account share.
provider "databricks" {
  alias      = "account"
  host       = "https://accounts.azuredatabricks.net"
  account_id = var.databricks_account_id
}
