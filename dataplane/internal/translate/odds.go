package translate

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"tollgate.dev/dataplane/internal/scan"
)

// How probable tokens were travels as the elements of OpenAI's `logprobs.content`
// (https://platform.openai.com/docs/api-reference/chat/object#chat/object-choices-logprobs), with commas between them.

// chatOdds returns those of a choice.
func chatOdds(choice []byte) []byte {
	list := scan.Lookup(scan.Lookup(choice, "logprobs"), "content")
	if len(list) < 2 || list[0] != '[' {
		return nil
	}
	return bytes.TrimSpace(list[1 : len(list)-1])
}

// geminiOdds returns those of a candidate (https://ai.google.dev/api/generate-content#LogprobsResult).
func geminiOdds(candidate []byte) (odds []byte) {
	result := scan.Lookup(candidate, "logprobsResult")
	if result == nil {
		return nil
	}
	var tops [][]byte
	scan.Elements(scan.Lookup(result, "topCandidates"), func(step []byte) { tops = append(tops, scan.Lookup(step, "candidates")) })
	at := 0
	scan.Elements(scan.Lookup(result, "chosenCandidates"), func(chosen []byte) {
		odds = append(appendToken(comma(odds, len(odds)), scan.Lookup(chosen, "token"), scan.Lookup(chosen, "logProbability")), `,"top_logprobs":[`...)
		if n := 0; at < len(tops) {
			scan.Elements(tops[at], func(one []byte) {
				odds = append(appendToken(comma(odds, n), scan.Lookup(one, "token"), scan.Lookup(one, "logProbability")), '}')
				n++
			})
		}
		odds = append(odds, `]}`...)
		at++
	})
	return odds
}

// appendCohereOdds appends those of one of Cohere's pieces, whose tokens have one text: it is as probable as all of them after one another.
func appendCohereOdds(odds, item []byte) []byte {
	if len(item) == 0 || item[0] != '{' {
		return odds
	}
	sum := 0.0
	scan.Elements(scan.Lookup(item, "logprobs"), func(number []byte) {
		f, _ := strconv.ParseFloat(string(number), 64) // what is no number adds nothing
		sum += f
	})
	odds = appendToken(comma(odds, len(odds)), scan.Lookup(item, "text"), strconv.AppendFloat(nil, sum, 'g', -1, 64))
	return append(odds, `,"top_logprobs":[]}`...)
}

// appendToken begins an object of a token, its probability and its bytes, where its text tells them. What Google leaves out is empty, or zero.
func appendToken(dst, token, logprob []byte) []byte {
	token, logprob = toldToken(token, logprob)
	dst = append(append(dst, `{"token":`...), token...)
	dst = append(append(append(dst, `,"logprob":`...), logprob...), `,"bytes":`...)
	text := scan.Unescape(nil, inside(token))
	if bytes.ContainsRune(text, utf8.RuneError) { // a part of a character
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for i, b := range text {
		dst = strconv.AppendUint(comma(dst, i), uint64(b), 10)
	}
	return append(dst, ']')
}

func toldToken(token, logprob []byte) (text, number []byte) {
	if len(token) == 0 || token[0] != '"' {
		token = []byte(`""`)
	}
	if len(logprob) == 0 {
		logprob = []byte("0")
	}
	return token, logprob
}

// appendChatOdds appends what a choice says of its tokens.
func appendChatOdds(dst, odds []byte) []byte {
	if odds == nil {
		return append(dst, `"logprobs":null`...)
	}
	return append(append(append(dst, `"logprobs":{"content":[`...), odds...), `],"refusal":null}`...)
}

// appendGeminiOdds appends what a candidate says of its tokens, as a member behind others.
func appendGeminiOdds(dst, odds []byte) []byte {
	if odds == nil {
		return dst
	}
	list := append(append([]byte{'['}, odds...), ']')
	dst = append(dst, `,"logprobsResult":{"chosenCandidates":[`...)
	n := 0
	scan.Elements(list, func(one []byte) {
		dst = appendGeminiToken(comma(dst, n), one)
		n++
	})
	dst, n = append(dst, `],"topCandidates":[`...), 0
	scan.Elements(list, func(one []byte) {
		dst = append(comma(dst, n), `{"candidates":[`...)
		tops := 0
		scan.Elements(scan.Lookup(one, "top_logprobs"), func(top []byte) {
			dst = appendGeminiToken(comma(dst, tops), top)
			tops++
		})
		dst = append(dst, `]}`...)
		n++
	})
	return append(dst, `]}`...)
}

func appendGeminiToken(dst, one []byte) []byte {
	token, logprob := toldToken(scan.Lookup(one, "token"), scan.Lookup(one, "logprob"))
	dst = append(append(dst, `{"token":`...), token...)
	return append(append(append(dst, `,"logProbability":`...), logprob...), '}')
}

// oddsOf returns what is known of the tokens of all texts.
func oddsOf(parts []part) (odds []byte) {
	for i := range parts {
		if more := parts[i].odds; len(more) > 0 {
			odds = append(comma(odds, len(odds)), more...)
		}
	}
	return odds
}

// withOdds puts what is known of the tokens of an answer at its first text.
func withOdds(parts []part, odds []byte) []part {
	for i := range parts {
		if parts[i].kind == partText && len(odds) > 0 {
			parts[i].odds = odds
			break
		}
	}
	return parts
}
