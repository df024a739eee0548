// Command helmserver runs Helm's own commands one after another, so that Helm is started once for many renderings.
//
// It reads requests as JSON lines and answers each with one line. Nothing of Helm is replaced: each request makes
// Helm's root command anew, as its main function does, and gets what that prints and its exit code.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"

	helm "helm.sh/helm/v4/pkg/cmd"
	"helm.sh/helm/v4/pkg/kube"
)

// request has the arguments of Helm, what it reads from its standard input, and its working directory.
type request struct {
	Arguments []string `json:"arguments"`
	Stdin     string   `json:"stdin"`
	Folder    string   `json:"folder"`
}

// answer has the exit code and what was printed, whose bytes need not be UTF-8.
type answer struct {
	Code   int    `json:"code"`
	Stdout []byte `json:"stdout"`
	Stderr []byte `json:"stderr"`
}

func main() {
	kube.ManagedFieldsManager = "helm"
	in, out := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked request
		if err := json.Unmarshal(line, &asked); err != nil {
			log.Fatal(err)
		}
		if err := out.Encode(respond(asked)); err != nil {
			return
		}
	}
}

// respond runs one command with standard streams of its own.
func respond(asked request) answer {
	if err := os.Chdir(asked.Folder); err != nil {
		log.Fatal(err)
	}
	stdin, stdout, stderr := os.Stdin, os.Stdout, os.Stderr
	defer func() {
		os.Stdin, os.Stdout, os.Stderr = stdin, stdout, stderr
		log.SetOutput(stderr)
	}()
	values := given(asked.Stdin)
	defer values.Close()
	printed, complained := record(), record()
	os.Stdin, os.Stdout, os.Stderr = values, printed.to, complained.to
	log.SetOutput(complained.to)
	code := execute(asked.Arguments)
	return answer{code, printed.end(), complained.end()}
}

// execute does what Helm's main function does, and returns the exit code.
func execute(arguments []string) int {
	// Helm's settings outlive a command: without this, a command that names no namespace would have an earlier one's.
	arguments = append([]string{"--namespace=" + os.Getenv("HELM_NAMESPACE")}, arguments...)
	os.Args = append([]string{"helm"}, arguments...)
	command, err := helm.NewRootCmd(os.Stdout, arguments, helm.SetupLogging)
	if err != nil {
		log.Print(err)
		return 1
	}
	err = command.Execute()
	if failed, ok := errors.AsType[helm.CommandError](err); ok {
		return failed.ExitCode
	}
	if err != nil {
		return 1
	}
	return 0
}

// given returns a file from which a text can be read once.
func given(text string) *os.File {
	from, to := pipe()
	go func() {
		io.WriteString(to, text) // fails where Helm does not read it
		to.Close()
	}()
	return from
}

// recording has a file to write to, and what was written.
type recording struct {
	to      *os.File
	content bytes.Buffer
	ended   chan struct{}
}

func record() *recording {
	from, to := pipe()
	made := &recording{to: to, ended: make(chan struct{})}
	go func() {
		io.Copy(&made.content, from)
		from.Close()
		close(made.ended)
	}()
	return made
}

// end returns what was written.
func (made *recording) end() []byte {
	made.to.Close()
	<-made.ended
	return made.content.Bytes()
}

func pipe() (from, to *os.File) {
	from, to, err := os.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	return from, to
}
