package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/moby/go-archive/compression"
	"github.com/opencontainers/go-digest"
)

// A registry for the engines that speak HTTP: each pull has a repository of its own.
type registry struct {
	shelves sync.Map // repository → *visit
	next    atomic.Int64
	port    int
}

type visit struct {
	*shelf
	missing func() // called when something is asked for that is not there
}

var served = &registry{}

func (r *registry) begin() error {
	listener, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		return err
	}
	r.port = listener.Addr().(*net.TCPAddr).Port
	go http.Serve(listener, r)
	return nil
}

// open gives a shelf a repository, and the address of the server: another one each time, since docker closes each connection and a pair of
// addresses has few ports.
func (r *registry) open(s *shelf, missing func()) (repository, address string, close func()) {
	number := r.next.Add(1)
	repository = fmt.Sprintf("case/n%d", number)
	r.shelves.Store(repository, &visit{s, missing})
	address = fmt.Sprintf("127.%d.%d.%d:%d", 1+number>>16%250, number>>8%250, 1+number%250, r.port)
	return repository, address, func() { r.shelves.Delete(repository) }
}

func (r *registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	path := strings.TrimPrefix(request.URL.Path, "/v2/")
	if path == "" {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		return
	}
	parts := append(strings.Split(path, "/"), "", "", "")
	found, ok := r.shelves.Load(parts[0] + "/" + parts[1])
	if !ok {
		http.NotFound(w, request)
		return
	}
	visit, name := found.(*visit), parts[3]
	if name == "tag" {
		name = visit.entry.Digest
	}
	body, ok := visit.blobs[name]
	if !ok {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"it is not here"}]}`)
		visit.missing()
		return
	}
	kind := "application/octet-stream"
	if parts[2] == "manifests" {
		kind = visit.served[name]
		if request.Method == http.MethodGet {
			visit.last = name
		}
	}
	w.Header()["Content-Type"] = []string{kind}
	w.Header().Set("Docker-Content-Digest", name)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if request.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// RoundTrip answers without a connection, for libraries that take a transport.
func (r *registry) RoundTrip(request *http.Request) (*http.Response, error) {
	answer := &recorder{header: http.Header{}, code: http.StatusOK}
	r.ServeHTTP(answer, request)
	return &http.Response{
		StatusCode: answer.code, Status: http.StatusText(answer.code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: answer.header,
		Body: io.NopCloser(&answer.body), ContentLength: int64(answer.body.Len()), Request: request,
	}, nil
}

type recorder struct {
	header http.Header
	body   bytes.Buffer
	code   int
}

func (r *recorder) Header() http.Header            { return r.header }
func (r *recorder) Write(data []byte) (int, error) { return r.body.Write(data) }
func (r *recorder) WriteHeader(code int)           { r.code = code }

// unpack reads a layer as runtimes do, by its bytes and not by its media type: tar, maybe compressed. It gives the digest of the plain tar.
func unpack(layer io.Reader) (digest.Digest, error) {
	plain, err := compression.DecompressStream(layer)
	if err != nil {
		return "", err
	}
	defer plain.Close()
	return untar(plain)
}

func untar(plain io.Reader) (digest.Digest, error) {
	digester := digest.Canonical.Digester()
	tee := io.TeeReader(plain, digester.Hash())
	entries := tar.NewReader(tee)
	for {
		if _, err := entries.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return "", err
		}
		if _, err := io.Copy(io.Discard, entries); err != nil {
			return "", err
		}
	}
	_, err := io.Copy(io.Discard, tee)
	return digester.Digest(), err
}
