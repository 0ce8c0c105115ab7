// Engines says which manifests the libraries of real engines would run: go-containerregistry, containerd, containers/image (podman) and
// docker, each in the version that go.mod names.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"

	"github.com/sirupsen/logrus"
)

// scratch is a folder for what libraries insist on writing.
var scratch string

const usage = `usage:
  engines judge                reads cases, one JSON a line, and writes them with what each engine would run
  engines random SEED COUNT FOLDER
                               writes into a folder those of so many cases made at random of which an engine would run something
  engines corpus FOLDER SEED   writes the corpus anew
  engines serve FOLDER ADDRESS serves each case of a folder as case/NAME:tag, for engines themselves`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "engines:", err)
		os.Exit(1)
	}
}

func run(arguments []string) (err error) {
	logrus.SetOutput(io.Discard)
	if scratch, err = os.MkdirTemp("", "engines"); err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	// docker downloads into the folder for temporary files.
	os.Setenv("TMPDIR", scratch)
	if err := served.begin(); err != nil {
		return err
	}
	if len(arguments) == 1 && arguments[0] == "judge" {
		lines := json.NewEncoder(os.Stdout)
		return each(read(os.Stdin), func(one *Case) error { return lines.Encode(one) })
	}
	if len(arguments) == 4 && arguments[0] == "random" {
		seed, err := strconv.ParseUint(arguments[1], 10, 64)
		if err != nil {
			return err
		}
		count, err := strconv.Atoi(arguments[2])
		if err != nil {
			return err
		}
		if err := os.MkdirAll(arguments[3], 0o755); err != nil {
			return err
		}
		return each(made(seed, count), func(one *Case) error {
			for _, runs := range one.Runs {
				if len(runs) > 0 {
					return save(arguments[3], one)
				}
			}
			return nil
		})
	}
	if len(arguments) == 3 && arguments[0] == "corpus" {
		seed, err := strconv.ParseUint(arguments[2], 10, 64)
		if err != nil {
			return err
		}
		return corpus(arguments[1], seed)
	}
	if len(arguments) == 3 && arguments[0] == "serve" {
		return serve(arguments[1], arguments[2])
	}
	return errors.New(usage)
}

func serve(folder, address string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return err
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		one := &Case{}
		if err := json.Unmarshal(body, one); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		served.shelves.Store("case/"+one.Name, &visit{views(one)[0], func() {}})
	}
	return http.ListenAndServe(address, served)
}

func made(seed uint64, count int) <-chan *Case {
	cases := make(chan *Case)
	go func() {
		defer close(cases)
		for number := range count {
			cases <- random(seed, number)
		}
	}()
	return cases
}

func read(input io.Reader) <-chan *Case {
	cases := make(chan *Case)
	go func() {
		defer close(cases)
		lines := json.NewDecoder(bufio.NewReader(input))
		for {
			one := &Case{}
			if err := lines.Decode(one); err == io.EOF {
				return
			} else if err != nil {
				fmt.Fprintln(os.Stderr, "engines: a case cannot be read:", err)
				os.Exit(1)
			}
			cases <- one
		}
	}()
	return cases
}

// each judges cases, several at once since docker waits much, and hands them on in the order in which they are done.
func each(cases <-chan *Case, then func(*Case) error) error {
	var lock sync.Mutex
	var workers sync.WaitGroup
	var failure error
	for range 4 * runtime.NumCPU() {
		workers.Go(func() {
			for one := range cases {
				judge(one)
				lock.Lock()
				if err := then(one); err != nil {
					failure = err
				}
				lock.Unlock()
			}
		})
	}
	workers.Wait()
	return failure
}
