package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/core"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

const (
	manager = "helm"
	// maxQuoted is the length in characters up to which a refused value is quoted.
	maxQuoted = 80
	// placeholder stands for the address that a cluster gives a Service.
	placeholder = "10.96.0.10"
	// The default of --service-node-port-range.
	firstNodePort, lastNodePort = 30000, 32767
)

var (
	converter    = applyconfigurations.NewTypeConverter(legacyscheme.Scheme)
	unknownField = regexp.MustCompile(`^(unknown|duplicate) field "(.*)"$`)
	// expression is the part of a message that only repeats it as a regular expression; index is in a field's path.
	expression = regexp.MustCompile(`, regex used for validation is '[^']*'`)
	index      = regexp.MustCompile(`\[[^\]]*\]`)

	legacyCodecs     = serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict)
	definitionCodecs = serializer.NewCodecFactory(definitionScheme, serializer.EnableStrict)
)

func internalVersion(gvk schema.GroupVersionKind) schema.GroupVersion {
	return schema.GroupVersion{Group: gvk.Group, Version: runtime.APIVersionInternal}
}

func codecsOf(gvk schema.GroupVersionKind) serializer.CodecFactory {
	if gvk.Group == definitions {
		return definitionCodecs
	}
	return legacyCodecs
}

// decode reads an object as the server does: strictly, with defaults.
func decode(gvk schema.GroupVersionKind, object []byte) (runtime.Object, []refusal) {
	decoded, _, err := codecsOf(gvk).UniversalDecoder(internalVersion(gvk)).Decode(object, nil, nil)
	if err == nil {
		return decoded, nil
	}
	strict, ok := runtime.AsStrictDecodingError(err)
	if !ok {
		return nil, []refusal{{Stage: "type", Field: culprit(gvk, object, err), Message: typeMessage(err, gvk)}}
	}
	var found []refusal
	for _, each := range strict.Errors() {
		path, message := "object", each.Error()
		if parts := unknownField.FindStringSubmatch(message); parts != nil {
			path, message = parts[2], parts[1]+" field"
		}
		found = append(found, refusal{Stage: "field", Field: path, Message: message})
	}
	return decoded, found
}

// typeMessage returns the decoder's message without the preamble; a Secret's could quote a value.
func typeMessage(err error, gvk schema.GroupVersionKind) string {
	if gvk.Kind == "Secret" && strings.Contains(err.Error(), "base64") {
		return "not base64"
	}
	if gvk.Kind == "Secret" {
		return "of the wrong type"
	}
	_, message, found := strings.Cut(err.Error(), "cannot be handled as a "+gvk.Kind+": ")
	if !found {
		message = err.Error()
	}
	return message
}

// duplicateKeys returns what server-side apply refuses: lists that have two entries of one key.
func duplicateKeys(object []byte) []refusal {
	applied := &unstructured.Unstructured{}
	if err := applied.UnmarshalJSON(object); err != nil {
		return []refusal{{Stage: "type", Field: "object", Message: err.Error()}}
	}
	_, err := converter.ObjectToTyped(applied)
	var mistakes typed.ValidationErrors
	if !errors.As(err, &mistakes) {
		return nil
	}
	var found []refusal
	for _, each := range mistakes {
		// The decoder has reported types and unknown fields.
		if strings.Contains(each.ErrorMessage, "duplicate") {
			path := strings.TrimPrefix(each.Path, ".")
			found = append(found, refusal{Stage: "key", Field: path, Message: each.ErrorMessage + " (server-side apply)"})
		}
	}
	return found
}

// create returns the object as the server stores it, or what it refuses.
func create(ctx context.Context, gvk schema.GroupVersionKind, object []byte) (runtime.Object, []refusal) {
	created, found := decode(gvk, object)
	if created == nil {
		return nil, found
	}
	var keys []refusal
	if gvk.Group != definitions {
		keys = duplicateKeys(object)
	}
	rules, ok := strategies[gvk.GroupKind()]
	accessor, err := meta.Accessor(created)
	if !ok || err != nil {
		return created, append(found, keys...)
	}
	ctx = inOwnNamespace(ctx, rules, accessor)
	rest.FillObjectMetaSystemFields(accessor)
	if accessor.GetName() == "" && accessor.GetGenerateName() != "" {
		accessor.SetName(names.SimpleNameGenerator.GenerateName(accessor.GetGenerateName()))
	}
	if service, ok := created.(*core.Service); ok {
		if service.Spec.ClusterIP != "" && len(service.Spec.ClusterIPs) == 0 {
			service.Spec.ClusterIPs = []string{service.Spec.ClusterIP}
		}
		found = append(found, nodePorts(service)...)
	}
	admit(created)
	rules.PrepareForCreate(ctx, created)
	found = append(found, refusals(rest.ValidateCreate(ctx, created, rules), gvk)...)
	return created, append(found, notRepeated(keys, found)...)
}

// notRepeated returns the refusals of lists in which no rule reports a duplicate too.
func notRepeated(keys, others []refusal) []refusal {
	var found []refusal
	for _, key := range keys {
		list := index.ReplaceAllString(key.Field, "") + "."
		repeated := slices.ContainsFunc(others, func(other refusal) bool {
			return (strings.HasPrefix(other.Message, field.ErrorTypeDuplicate.String()) ||
				strings.Contains(other.Message, "must be unique")) &&
				strings.HasPrefix(index.ReplaceAllString(other.Field, "")+".", list)
		})
		if !repeated {
			found = append(found, key)
		}
	}
	return found
}

// update returns what the server refuses when the object replaces the old one through server-side apply.
func update(ctx context.Context, gvk schema.GroupVersionKind, old, object []byte) ([]refusal, error) {
	rules, ok := strategies[gvk.GroupKind()]
	if !ok || gvk.Group == definitions {
		return nil, nil
	}
	internal := internalVersion(gvk)
	fields, err := managedfields.NewDefaultFieldManager(
		converter, legacyscheme.Scheme, legacyscheme.Scheme, legacyscheme.Scheme, gvk, internal, "", nil)
	if err != nil {
		return nil, err
	}
	live, err := legacyscheme.Scheme.New(internal.WithKind(gvk.Kind))
	if err != nil {
		return nil, err
	}
	apply := func(body []byte) error {
		applied := &unstructured.Unstructured{}
		if err := applied.UnmarshalJSON(body); err != nil {
			return err
		}
		after, err := fields.Apply(live, applied, manager, true)
		if err == nil {
			live = after
		}
		return err
	}
	if apply(old) != nil {
		return nil, nil // the old object was refused itself
	}
	accessor, err := meta.Accessor(live)
	if err != nil {
		return nil, err
	}
	ctx = inOwnNamespace(ctx, rules, accessor)
	rest.FillObjectMetaSystemFields(accessor)
	accessor.SetResourceVersion("1")
	admit(live)
	rules.PrepareForCreate(ctx, live)
	allocate(live)
	stored := live.DeepCopyObject()
	if err := apply(object); err != nil {
		return []refusal{{Stage: "rule", Field: "object", Message: typeMessage(err, gvk)}}, nil
	}
	after, err := meta.Accessor(live)
	if err != nil {
		return nil, err
	}
	inOwnNamespace(ctx, rules, after)
	// What rest.BeforeUpdate does; it would return one error instead of all.
	after.SetUID(accessor.GetUID())
	after.SetResourceVersion(accessor.GetResourceVersion())
	after.SetGeneration(accessor.GetGeneration())
	reallocate(live, stored)
	rules.PrepareForUpdate(ctx, live, stored)
	after.SetCreationTimestamp(accessor.GetCreationTimestamp())
	return refusals(rest.ValidateUpdate(ctx, live, stored, rules), gvk), nil
}

// inOwnNamespace completes the object's namespace and returns a request context for it.
func inOwnNamespace(ctx context.Context, rules strategy, accessor metav1.Object) context.Context {
	switch {
	case !rules.NamespaceScoped():
		accessor.SetNamespace("")
	case accessor.GetNamespace() == "":
		accessor.SetNamespace(genericapirequest.NamespaceValue(ctx))
	}
	return genericapirequest.WithNamespace(ctx, accessor.GetNamespace())
}

// admit gives a Pod the account that admission sets before the rules run.
func admit(object runtime.Object) {
	if pod, ok := object.(*core.Pod); ok && pod.Spec.ServiceAccountName == "" {
		pod.Spec.ServiceAccountName = "default"
		pod.Spec.DeprecatedServiceAccount = "default"
	}
}

// allocate gives a new Service an address, as a cluster would.
func allocate(object runtime.Object) {
	service, ok := object.(*core.Service)
	if !ok || service.Spec.Type == core.ServiceTypeExternalName {
		return
	}
	if service.Spec.ClusterIP == "" {
		service.Spec.ClusterIP = placeholder
	}
	if len(service.Spec.ClusterIPs) == 0 {
		service.Spec.ClusterIPs = []string{service.Spec.ClusterIP}
	}
}

// reallocate keeps a Service's address, and brings its two fields for it together, as the server's storage does.
func reallocate(object, old runtime.Object) {
	service, ok := object.(*core.Service)
	if !ok {
		return
	}
	before, spec := old.(*core.Service).Spec, &service.Spec
	addressed := before.Type != core.ServiceTypeExternalName && spec.Type != core.ServiceTypeExternalName
	if addressed && spec.ClusterIP == "" {
		spec.ClusterIP = before.ClusterIP
	}
	if addressed && len(spec.ClusterIPs) == 0 {
		spec.ClusterIPs = before.ClusterIPs
	}
	switch {
	case spec.ClusterIP == before.ClusterIP || !slices.Equal(spec.ClusterIPs, before.ClusterIPs):
	case spec.ClusterIP == "":
		spec.ClusterIPs = nil
	default:
		spec.ClusterIPs = []string{spec.ClusterIP}
	}
	allocate(service)
}

// nodePorts refuses ports outside the default range, which the server's allocator does.
func nodePorts(service *core.Service) []refusal {
	var found []refusal
	for i, port := range service.Spec.Ports {
		if port.NodePort != 0 && (port.NodePort < firstNodePort || port.NodePort > lastNodePort) {
			message := fmt.Sprintf("Invalid value: %d: not in the range %d-%d", port.NodePort, firstNodePort, lastNodePort)
			found = append(found, refusal{Stage: "rule", Field: fmt.Sprintf("spec.ports[%d].nodePort", i), Message: message})
		}
	}
	return found
}

// refusals returns the server's errors in its own words, without values of Secrets and without whole structures.
func refusals(mistakes field.ErrorList, gvk schema.GroupVersionKind) []refusal {
	var found []refusal
	for _, each := range mistakes {
		message := each.Type.String()
		if value, ok := quoted(each); ok && gvk.Kind != "Secret" {
			message += ": " + value
		}
		if each.Detail != "" {
			message += ": " + expression.ReplaceAllString(each.Detail, "")
		}
		found = append(found, refusal{Stage: "rule", Field: each.Field, Message: message})
	}
	return found
}

// quoted returns the refused value as JSON if it is a short scalar and the error is about the value.
func quoted(mistake *field.Error) (string, bool) {
	if mistake.Type == field.ErrorTypeRequired || mistake.Type == field.ErrorTypeForbidden {
		return "", false
	}
	value := reflect.ValueOf(mistake.BadValue)
	for value.Kind() == reflect.Pointer && !value.IsNil() {
		value = value.Elem()
	}
	switch value.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64, reflect.Float64:
		text, err := json.Marshal(value.Interface())
		return string(text), err == nil && len(text) <= maxQuoted && string(text) != `""`
	}
	return "", false
}
