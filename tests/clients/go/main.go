// The fault proxy through Toxiproxy's own Go client, as its README uses it: create, add every toxic, update, toggle,
// reset, populate, delete.
//
// Takes the upstream's address; the API is at TOXIPROXY_URL. Prints one JSON line: what it saw, or at which step and
// why it stopped.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
)

const hello = "0123456789"

// Each toxic with what comes back of ten bytes while it is there.
var toxics = []struct {
	kind       string
	attributes toxiproxy.Attributes
	expected   string
}{
	{"latency", toxiproxy.Attributes{"latency": 20, "jitter": 5}, hello},
	{"bandwidth", toxiproxy.Attributes{"rate": 1000}, hello},
	{"slow_close", toxiproxy.Attributes{"delay": 20}, hello},
	{"slicer", toxiproxy.Attributes{"average_size": 4, "size_variation": 1, "delay": 10}, hello},
	{"limit_data", toxiproxy.Attributes{"bytes": 3}, hello[:3]},
	{"timeout", toxiproxy.Attributes{"timeout": 20}, ""},
	{"reset_peer", toxiproxy.Attributes{"timeout": 0}, ""},
}

type stopped struct {
	step   string
	reason any
}

var doing = "start"

func step(what string) { doing = what }

func must(err error) {
	if err != nil {
		panic(stopped{doing, err})
	}
}

func same[T comparable](what string, expected, found T) {
	if expected != found {
		panic(stopped{doing, fmt.Sprintf("%s: expected %v, found %v", what, expected, found)})
	}
}

// What of ten bytes comes back, up to the whole of it or the connection's end.
func echoed(listen string) string {
	stream, err := net.DialTimeout("tcp", listen, 20*time.Second)
	must(err)
	defer stream.Close()
	must(stream.SetDeadline(time.Now().Add(20 * time.Second)))
	_, err = io.WriteString(stream, hello)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		must(err)
	}
	back := make([]byte, len(hello))
	count, err := io.ReadFull(stream, back)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		must(err)
	}
	return string(back[:count])
}

func refused(listen string) bool {
	stream, err := net.DialTimeout("tcp", listen, 20*time.Second)
	if err == nil {
		stream.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

func tour(client *toxiproxy.Client, upstream string) {
	step("create")
	proxy, err := client.CreateProxy("echo", "127.0.0.1:0", upstream)
	must(err)
	same("bytes", hello, echoed(proxy.Listen))
	_, err = client.CreateProxy("echo", "127.0.0.1:0", upstream)
	var refusal *toxiproxy.ApiError
	same("a taken name", true, errors.As(err, &refusal) && refusal.Status == 409)

	for _, toxic := range toxics {
		step("add " + toxic.kind)
		made, err := proxy.AddToxic("", toxic.kind, "", 1, toxic.attributes)
		must(err)
		same("name", toxic.kind+"_downstream", made.Name)
		same("bytes", toxic.expected, echoed(proxy.Listen))
		must(proxy.RemoveToxic(made.Name))
		same("bytes without it", hello, echoed(proxy.Listen))
	}

	step("update a toxic")
	_, err = proxy.AddToxic("few", "limit_data", "downstream", 1, toxiproxy.Attributes{"bytes": 4})
	must(err)
	same("bytes", hello[:4], echoed(proxy.Listen))
	updated, err := proxy.UpdateToxic("few", 1, toxiproxy.Attributes{"bytes": 7})
	must(err)
	same("attribute", 7.0, updated.Attributes["bytes"].(float64))
	same("bytes", hello[:7], echoed(proxy.Listen))
	all, err := proxy.Toxics()
	must(err)
	same("toxics", 1, len(all))

	step("toggle")
	must(proxy.Disable())
	same("refused", true, refused(proxy.Listen))
	must(proxy.Enable())
	same("bytes", hello[:7], echoed(proxy.Listen))

	step("reset")
	must(proxy.Disable())
	must(client.ResetState())
	same("bytes", hello, echoed(proxy.Listen))

	step("populate")
	made, err := client.Populate([]toxiproxy.Proxy{
		{Name: "one", Listen: "127.0.0.1:0", Upstream: upstream, Enabled: true},
		{Name: "two", Listen: "127.0.0.1:0", Upstream: upstream, Enabled: true},
	})
	must(err)
	same("populated", 2, len(made))
	same("bytes", hello, echoed(made[1].Listen))

	step("delete")
	there, err := client.Proxies()
	must(err)
	same("proxies", 3, len(there))
	for _, each := range there {
		must(each.Delete())
	}
	same("refused", true, refused(proxy.Listen))
}

func main() {
	facts := map[string]any{"client": "github.com/Shopify/toxiproxy/v2/client"}
	defer func() {
		failure := recover()
		if reason, ok := failure.(stopped); ok {
			facts["failed"], facts["error"] = reason.step, fmt.Sprint(reason.reason)
		} else if failure != nil {
			facts["failed"], facts["error"] = doing, fmt.Sprint(failure)
		} else {
			facts["ok"] = true
		}
		line, _ := json.Marshal(facts)
		fmt.Println(string(line))
		if failure != nil {
			os.Exit(1)
		}
	}()
	tour(toxiproxy.NewClient(os.Getenv("TOXIPROXY_URL")), os.Args[1])
	kinds := []string{}
	for _, toxic := range toxics {
		kinds = append(kinds, toxic.kind)
	}
	facts["toxics"] = kinds
}
