package rig

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Sum reads a metric without labels at every edge that runs and adds up what they say.
func (r *Rig) Sum(ctx context.Context, metric string) (float64, error) {
	sum := 0.0
	for _, edge := range r.Edges {
		value, err := edge.Metric(ctx, metric)
		if err != nil {
			return 0, err
		}
		sum += value
	}
	return sum, nil
}

// Metric reads one series of the edge, labels and all as the scrape writes them.
func (e *Edge) Metric(ctx context.Context, series string) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), series+" "); found {
			return strconv.ParseFloat(text, 64)
		}
	}
	return 0, fmt.Errorf("%s measures no %s", e.Name, series)
}
