// Command apivalidator says what the API server of its version of Kubernetes would refuse, without a cluster.
//
// It reads requests as JSON lines and answers each with one line. It runs the server's own code: strict decoding,
// defaulting, server-side apply's typed values, and the strategy of each kind. What depends on other objects or on a
// cluster (admission, quotas, allocated addresses) is not judged.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/capabilities"
)

// request has objects to create, or objects to change from their old state if `old` is given; both in one order.
type request struct {
	Namespace string            `json:"namespace"`
	Objects   []json.RawMessage `json:"objects"`
	Old       []json.RawMessage `json:"old"`
}

// refusal is one reason for which the server refuses an object; stage is where: served, type, field, key or rule.
type refusal struct {
	Stage   string `json:"stage"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

// answer has the refusals of each object of the request; null for a kind that is not Kubernetes' own.
type answer struct {
	Refusals [][]refusal `json:"refusals"`
	Error    string      `json:"error,omitempty"`
}

func main() {
	// As in a cluster that kubeadm makes: privileged containers are allowed.
	capabilities.Setup(true, 0)
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	in, out := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		if err := out.Encode(respond(line)); err != nil {
			return
		}
	}
}

// respond judges every object of a request.
func respond(line []byte) answer {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{Error: err.Error()}
	}
	if asked.Old != nil && len(asked.Old) != len(asked.Objects) {
		return answer{Error: "as many old objects as objects are expected"}
	}
	refusals := make([][]refusal, len(asked.Objects))
	for i, object := range asked.Objects {
		var old []byte
		if asked.Old != nil {
			old = asked.Old[i]
		}
		found, err := judge(object, old, asked.Namespace)
		if err != nil {
			return answer{Error: fmt.Sprintf("object %d: %v", i, err)}
		}
		refusals[i] = found
	}
	return answer{Refusals: refusals}
}

// judge returns what the server refuses in one object, which it creates, or applies to the old one.
func judge(object, old []byte, namespace string) (found []refusal, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	gvk, known, refused := identify(object)
	if !known {
		return nil, nil
	}
	found = []refusal{} // a verdict, unlike nil
	if len(refused) > 0 {
		return refused, nil
	}
	ctx := contextOf(context.Background(), gvk, namespace)
	created, refused := create(ctx, gvk, object)
	if old != nil && created != nil && len(refused) == 0 {
		refused, err = update(ctx, gvk, old, object)
	}
	found = append(found, refused...)
	slices.SortFunc(found, func(one, other refusal) int {
		return cmp.Or(cmp.Compare(one.Field, other.Field), cmp.Compare(one.Message, other.Message))
	})
	return found, err
}
