package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// culprit returns the field that can't be decoded, which the decoder's error often does not name.
//
// It removes one value after the other; the one after which the error is gone is the last that is wrong.
func culprit(gvk schema.GroupVersionKind, object []byte, failure error) string {
	var body any
	if json.Unmarshal(object, &body) != nil {
		return "object"
	}
	found := "object"
	removeEach(body, "", func(path string) bool {
		changed, err := json.Marshal(body)
		if err != nil {
			return false
		}
		_, _, err = codecsOf(gvk).UniversalDecoder(internalVersion(gvk)).Decode(changed, nil, nil)
		if err != nil && !runtime.IsStrictDecodingError(err) && err.Error() == failure.Error() {
			return true
		}
		found = path
		return false
	})
	return found
}

// removeEach sets each scalar to null and calls `next` with its path; it ends when that returns false.
func removeEach(value any, path string, next func(string) bool) bool {
	visit := func(entry any, path string, remove func()) bool {
		switch entry.(type) {
		case map[string]any, []any:
			if !removeEach(entry, path, next) {
				return false
			}
		}
		remove() // a mapping or list too, as it may stand where a scalar is expected
		return next(path)
	}
	switch body := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(body)) {
			inner := key
			if path != "" {
				inner = path + "." + key
			}
			if inner == "apiVersion" || inner == "kind" {
				continue
			}
			if !visit(body[key], inner, func() { body[key] = nil }) {
				return false
			}
		}
	case []any:
		for i := range body {
			if !visit(body[i], fmt.Sprintf("%s[%d]", path, i), func() { body[i] = nil }) {
				return false
			}
		}
	}
	return true
}
