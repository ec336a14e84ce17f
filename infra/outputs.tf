output "environment_variables" {
  description = "Variables for Airflow's environment (.env) in the azure profile."
  value = {
    MIDNIGHT_PROFILE            = "azure"
    ENTRA_ENVIRONMENT           = var.environment
    MIDNIGHT_STORAGE_ACCOUNT    = azurerm_storage_account.lake.name
    MIDNIGHT_ADF_RESOURCE_GROUP = azurerm_resource_group.main.name
    MIDNIGHT_ADF_FACTORY        = azurerm_data_factory.main.name
    MIDNIGHT_DATABRICKS_JOB_ID  = try(databricks_job.main[0].id, "") # not created before the first wheel
  }
}

output "key_vault_url" {
  description = "For Airflow's secrets backend, and for az keyvault secret set."
  value       = "https://${azurerm_key_vault.main.name}.vault.azure.net/"
}

output "databricks_url" {
  description = "Host of the connection midnight_databricks."
  value       = "https://${azurerm_databricks_workspace.main.workspace_url}"
}

output "synapse_sql_endpoint" {
  description = "Host of the Synapse connection and server of the Power BI model."
  value       = azurerm_synapse_workspace.main.connectivity_endpoints["sqlOnDemand"]
}

output "airflow_client_id" {
  description = "Client id of the identity that Airflow runs as."
  value       = local.airflow_client_id
}

output "managed_identities" {
  description = "Managed identities for the machine that Airflow runs on, by principal: resource id and client id. Empty with airflow_service_principal."
  value       = { for key, identity in azurerm_user_assigned_identity.airflow : key => { id = identity.id, client_id = identity.client_id } }
}

output "wheel_folder" {
  description = "Folder in the Databricks workspace for the wheel: make publish-wheel TO=…"
  value       = databricks_directory.wheels.workspace_path
}

output "managed_resource_groups" {
  description = "Resource groups that Azure manages for Databricks and Synapse; included in the budget."
  value       = [azurerm_databricks_workspace.main.managed_resource_group_name, azurerm_synapse_workspace.main.managed_resource_group_name]
}

output "integration_runtime" {
  description = "Name of the self-hosted integration runtime; az datafactory integration-runtime list-auth-key prints the key that registers a machine."
  value       = azurerm_data_factory_integration_runtime_self_hosted.source.name
}
