// Porcupine beside Bulkhead's check `linearizable`: reads histories as Bulkhead writes them, one file each, and checks
// one as often as it is asked.
//
// Takes the files. Says `ready` once all are read; then each line of standard input is a file's number, and the answer
// a verdict (`ok`, `illegal`, `unknown`) and how many nanoseconds `CheckEventsTimeout` took.
//
// The model is the register of Porcupine's own tests, with their partition by key. Values are numbers, so that a state
// costs as little as there. What failed did not happen, as Jepsen's Knossos has it. Porcupine knows no unknown outcome:
// such a write or swap returns behind everything else, and such a read is left out.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/anishathalye/porcupine"
)

// A history that takes longer is given up on.
const patience = 20 * time.Second

type act int

const (
	read act = iota
	write
	swap
)

type input struct {
	act      act
	register string
	from, to int
}

type output struct {
	found   int
	unknown bool
}

// Nothing is in a register at first.
const nothing = 0

var register = porcupine.Model{
	PartitionEvent: partition,
	Init:           func() interface{} { return nothing },
	Step: func(state, in, out interface{}) (bool, interface{}) {
		held, asked, answer := state.(int), in.(input), out.(output)
		switch asked.act {
		case read:
			return answer.found == held, state
		case write:
			return true, asked.to
		default:
			if held == asked.from {
				return true, asked.to
			}
			return answer.unknown, state
		}
	},
	Hash: func(state interface{}) uint64 { return uint64(state.(int)) * 0x9e3779b97f4a7c15 },
}

func partition(history []porcupine.Event) [][]porcupine.Event {
	place, of := make(map[string]int), make(map[int]int)
	var parts [][]porcupine.Event
	for _, event := range history {
		part, known := of[event.Id]
		if event.Kind == porcupine.CallEvent {
			name := event.Value.(input).register
			if part, known = place[name]; !known {
				part = len(parts)
				place[name] = part
				parts = append(parts, nil)
			}
			of[event.Id] = part
		}
		parts[part] = append(parts[part], event)
	}
	return parts
}

// A line of a history, of which only operations on registers matter.
type line struct {
	Event    string
	Op       int
	Act      string
	Register string
	Value    *string
	From     *string
	To       *string
	Outcome  string
	Found    *struct{ Value *string }
}

func history(file string) ([]porcupine.Event, error) {
	opened, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	var lines []line
	ends := make(map[int]line)
	scanner := bufio.NewScanner(opened)
	for scanner.Scan() {
		var next line
		if err := json.Unmarshal(scanner.Bytes(), &next); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, len(lines)+1, err)
		}
		lines = append(lines, next)
		if next.Event == "ended" {
			ends[next.Op] = next
		}
	}
	return events(lines, ends), scanner.Err()
}

func events(lines []line, ends map[int]line) []porcupine.Event {
	numbers := make(map[string]int)
	number := func(value *string) int {
		if value == nil {
			return nothing
		}
		if _, known := numbers[*value]; !known {
			numbers[*value] = len(numbers) + 1
		}
		return numbers[*value]
	}
	var told, late []porcupine.Event
	begun := make(map[int]bool)
	for _, line := range lines {
		end := ends[line.Op]
		unknown := end.Outcome != "ok" && end.Outcome != "failed"
		switch line.Event {
		case "invoked":
			asked := input{register: line.Register}
			switch line.Act {
			case "read":
				asked.act = read
			case "write":
				asked.act, asked.to = write, number(line.Value)
			case "swap":
				asked.act, asked.from, asked.to = swap, number(line.From), number(line.To)
			default:
				continue
			}
			if end.Outcome == "failed" || unknown && asked.act == read {
				continue
			}
			begun[line.Op] = true
			told = append(told, porcupine.Event{Kind: porcupine.CallEvent, Value: asked, Id: line.Op})
			if unknown {
				answer := output{unknown: true}
				late = append(late, porcupine.Event{Kind: porcupine.ReturnEvent, Value: answer, Id: line.Op})
			}
		case "ended":
			if begun[line.Op] && !unknown {
				answer := output{}
				if line.Found != nil {
					answer.found = number(line.Found.Value)
				}
				told = append(told, porcupine.Event{Kind: porcupine.ReturnEvent, Value: answer, Id: line.Op})
			}
		}
	}
	return append(told, late...)
}

func main() {
	var histories [][]porcupine.Event
	for _, file := range os.Args[1:] {
		read, err := history(file)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		histories = append(histories, read)
	}
	fmt.Println("ready")
	verdicts := map[porcupine.CheckResult]string{
		porcupine.Ok: "ok", porcupine.Illegal: "illegal", porcupine.Unknown: "unknown",
	}
	asked := bufio.NewScanner(os.Stdin)
	for asked.Scan() {
		which, err := strconv.Atoi(asked.Text())
		if err != nil || which < 0 || which >= len(histories) {
			fmt.Fprintf(os.Stderr, "no history is called `%s`\n", asked.Text())
			os.Exit(1)
		}
		start := time.Now()
		result := porcupine.CheckEventsTimeout(register, histories[which], patience)
		fmt.Println(verdicts[result], time.Since(start).Nanoseconds())
	}
}
