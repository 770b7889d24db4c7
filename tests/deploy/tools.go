//go:build tools

// Package deploy pins, through its imports, the programs that render the manifests in deploy/.
package deploy

import (
	_ "helm.sh/helm/v3/cmd/helm"
	_ "sigs.k8s.io/kustomize/kustomize/v5"
)
