package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresourcedefinition"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/component-base/version"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
)

const (
	definitions  = "apiextensions.k8s.io"
	aggregations = "apiregistration.k8s.io"
)

var (
	// removed has groups whose last version was removed.
	removed = []string{"extensions", "settings.k8s.io", "auditregistration.k8s.io"}
	// stable versions are served; alpha and beta versions only where a cluster switches them on.
	stable           = regexp.MustCompile(`^v\d+$`)
	definitionScheme = runtime.NewScheme()
)

func init() {
	apiextensions.Install(definitionScheme)
	strategies[schema.GroupKind{Group: definitions, Kind: "CustomResourceDefinition"}] =
		customresourcedefinition.NewStrategy(definitionScheme)
}

// schemeOf returns the scheme that has the group's types.
func schemeOf(group string) *runtime.Scheme {
	if group == definitions {
		return definitionScheme
	}
	return legacyscheme.Scheme
}

// identify returns an object's kind, whether it is one of Kubernetes' own, and why the server does not serve it.
func identify(object []byte) (gvk schema.GroupVersionKind, known bool, found []refusal) {
	var named metav1.TypeMeta
	if err := json.Unmarshal(object, &named); err != nil {
		return gvk, true, []refusal{{Stage: "type", Field: "apiVersion", Message: "Object 'Kind' or 'apiVersion' is no string"}}
	}
	for field, value := range map[string]string{"apiVersion": named.APIVersion, "kind": named.Kind} {
		if value == "" {
			found = append(found, refusal{Stage: "type", Field: field, Message: "Required value"})
		}
	}
	version, err := schema.ParseGroupVersion(named.APIVersion)
	if err != nil {
		found = append(found, refusal{Stage: "type", Field: "apiVersion", Message: err.Error()})
	}
	if len(found) > 0 {
		return gvk, true, found
	}
	gvk = version.WithKind(named.Kind)
	if !builtIn(gvk.Group) {
		return gvk, false, nil
	}
	if !served(gvk) {
		return gvk, true, []refusal{{Stage: "served", Field: "apiVersion", Message: unserved(gvk)}}
	}
	return gvk, true, nil
}

// builtIn tells whether a group is Kubernetes' own; other kinds are custom and depend on the cluster.
func builtIn(group string) bool {
	return group == definitions || legacyscheme.Scheme.IsGroupRegistered(group) || slices.Contains(removed, group)
}

func served(gvk schema.GroupVersionKind) bool {
	return stable.MatchString(gvk.Version) && schemeOf(gvk.Group).Recognizes(gvk)
}

// unserved says that a kind is not served, and which of its versions is.
func unserved(gvk schema.GroupVersionKind) string {
	release := strings.TrimPrefix(version.Get().GitVersion, "v")
	message := fmt.Sprintf("%s %s is not served by Kubernetes %s", gvk.GroupVersion(), gvk.Kind, release)
	var others []string
	for _, scheme := range []*runtime.Scheme{legacyscheme.Scheme, definitionScheme} {
		for _, other := range scheme.PrioritizedVersionsAllGroups() {
			if served(other.WithKind(gvk.Kind)) {
				others = append(others, other.String())
			}
		}
	}
	if len(others) > 0 {
		message += "; use " + others[0]
	}
	return message
}

// contextOf returns the context of a request for a kind, from which the server reads version and namespace.
func contextOf(ctx context.Context, gvk schema.GroupVersionKind, namespace string) context.Context {
	ctx = genericapirequest.WithNamespace(ctx, namespace)
	return genericapirequest.WithRequestInfo(ctx, &genericapirequest.RequestInfo{
		IsResourceRequest: true,
		APIGroup:          gvk.Group,
		APIVersion:        gvk.Version,
		Namespace:         namespace,
	})
}
