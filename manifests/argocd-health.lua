-- Health of a TranscodeJob for Argo CD: the text of resource.customizations.health.transcode.media_TranscodeJob
-- in the ConfigMap argocd-cm. See docs/how-to/gitops.md.
local health = {status = "Progressing", message = "not seen by the operator yet"}
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end
health.message = status.message or ""
if obj.metadata.deletionTimestamp ~= nil then
  health.message = "is being deleted"
  return health
end
if status.observedGeneration ~= nil and status.observedGeneration ~= obj.metadata.generation then
  health.message = "the operator has not seen the last change yet"
  return health
end

local is = {}
for _, condition in ipairs(status.conditions) do
  is[condition.type] = condition.status == "True"
end
if is.Failed or is.Stalled then
  health.status = "Degraded"
elseif is.Suspended then
  health.status = "Suspended"
elseif is.Ready then
  health.status = "Healthy"
elseif status.progress ~= nil and status.progress.percent ~= nil then
  health.message = status.progress.percent .. " " .. health.message
end
return health
