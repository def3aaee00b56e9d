// Package check builds the kustomize base and reads every object strictly, without a cluster. It is a module of its own, so
// that Kubernetes' types burden nobody else.
package check

import (
	"fmt"
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// scaledObject is what we use of KEDA's type (keda.sh/v1alpha1, ScaledObject); other fields are mistakes of ours.
type scaledObject struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       struct {
		ScaleTargetRef struct {
			Name string `json:"name"`
		} `json:"scaleTargetRef"`
		MinReplicaCount int            `json:"minReplicaCount"`
		MaxReplicaCount int            `json:"maxReplicaCount"`
		PollingInterval int            `json:"pollingInterval"`
		CooldownPeriod  int            `json:"cooldownPeriod"`
		Fallback        map[string]int `json:"fallback"`
		Advanced        map[string]any `json:"advanced"`
		Triggers        []struct {
			Type       string            `json:"type"`
			MetricType string            `json:"metricType"`
			Metadata   map[string]string `json:"metadata"`
		} `json:"triggers"`
	} `json:"spec"`
}

// base is everything that the kustomization makes, by kind and name.
type base struct {
	pods     map[string]corev1.PodTemplateSpec
	policies map[string]networkingv1.NetworkPolicy
	budgets  map[string]policyv1.PodDisruptionBudget
	configs  map[string]corev1.ConfigMap
	space    corev1.Namespace
	scaler   scaledObject
}

func build(t *testing.T) base {
	t.Helper()
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "..")
	if err != nil {
		t.Fatal(err)
	}
	b := base{pods: map[string]corev1.PodTemplateSpec{}, policies: map[string]networkingv1.NetworkPolicy{},
		budgets: map[string]policyv1.PodDisruptionBudget{}, configs: map[string]corev1.ConfigMap{}}
	for _, r := range made.Resources() {
		raw, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		name := r.GetName()
		if r.GetKind() != "Namespace" && r.GetNamespace() != "salamander" {
			t.Errorf("%s %s is in namespace %q", r.GetKind(), name, r.GetNamespace())
		}
		strict := func(into any) {
			if err := yaml.UnmarshalStrict(raw, into); err != nil {
				t.Errorf("%s %s: %v", r.GetKind(), name, err)
			}
		}
		switch kind := r.GetApiVersion() + " " + r.GetKind(); kind {
		case "v1 Namespace":
			strict(&b.space)
		case "v1 Service":
			strict(&corev1.Service{})
		case "v1 ConfigMap":
			var c corev1.ConfigMap
			strict(&c)
			b.configs[name] = c
		case "apps/v1 StatefulSet":
			var s appsv1.StatefulSet
			strict(&s)
			b.pods[name] = s.Spec.Template
		case "apps/v1 Deployment":
			var d appsv1.Deployment
			strict(&d)
			b.pods[name] = d.Spec.Template
		case "batch/v1 Job":
			var j batchv1.Job
			strict(&j)
			b.pods[name] = j.Spec.Template
		case "networking.k8s.io/v1 NetworkPolicy":
			var p networkingv1.NetworkPolicy
			strict(&p)
			b.policies[name] = p
		case "policy/v1 PodDisruptionBudget":
			var p policyv1.PodDisruptionBudget
			strict(&p)
			b.budgets[name] = p
		case "keda.sh/v1alpha1 ScaledObject":
			strict(&b.scaler)
		default:
			t.Errorf("nobody reads a %s", kind)
		}
	}
	return b
}

func TestEveryPodIsRestrictedAndBounded(t *testing.T) {
	t.Parallel()
	b := build(t)
	if b.space.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
		t.Error("the namespace does not enforce the restricted standard")
	}
	if len(b.pods) != 4 {
		t.Errorf("%d kinds of pods", len(b.pods))
	}
	for name, pod := range b.pods {
		s, c := pod.Spec.SecurityContext, pod.Spec.Containers[0]
		if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: the pod is not restricted", name)
		}
		if pod.Spec.AutomountServiceAccountToken == nil || *pod.Spec.AutomountServiceAccountToken {
			t.Errorf("%s has a token of the cluster", name)
		}
		k := c.SecurityContext
		if k == nil || *k.AllowPrivilegeEscalation || !*k.ReadOnlyRootFilesystem || fmt.Sprint(k.Capabilities.Drop) != "[ALL]" {
			t.Errorf("%s: the container is not restricted", name)
		}
		if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
			t.Errorf("%s is not bounded", name)
		}
		for _, e := range c.Env {
			if strings.Contains(e.Name, "TOKEN") && !strings.HasSuffix(e.Name, "_FILE") {
				t.Errorf("%s has a secret in its environment", name)
			}
		}
	}
	for _, name := range []string{"gateway", "worker"} {
		if p := b.pods[name].Spec; p.Containers[0].ReadinessProbe == nil || p.Containers[0].LivenessProbe == nil || *p.TerminationGracePeriodSeconds <= 25 {
			t.Errorf("%s has no probes, or less time to end than DRAIN_TIMEOUT", name)
		}
	}
}

// Every selector means pods that there are, every secret and settings that a pod uses is made or exemplified.
func TestNamesMeet(t *testing.T) {
	t.Parallel()
	b := build(t)
	example, err := os.ReadFile("../secrets.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, pod := range b.pods {
		if pod.Labels["app.kubernetes.io/name"] != name {
			t.Errorf("the pods of %s are labelled %v", name, pod.Labels)
		}
		for _, v := range pod.Spec.Volumes {
			if v.Secret != nil && !strings.Contains(string(example), "name: "+v.Secret.SecretName+",") {
				t.Errorf("%s wants the secret %s, of which there is no example", name, v.Secret.SecretName)
			}
		}
		for _, e := range pod.Spec.Containers[0].EnvFrom {
			if c, ok := b.configs[e.ConfigMapRef.Name]; !ok || c.Data["NATS_PROVISION"] != "never" {
				t.Errorf("%s wants the settings %s", name, e.ConfigMapRef.Name)
			}
		}
		if name != "provision" && b.budgets[name].Spec.Selector.MatchLabels["app.kubernetes.io/name"] != name {
			t.Errorf("%s has no disruption budget", name)
		}
		if b.policies[name].Spec.PodSelector.MatchLabels["app.kubernetes.io/name"] != name {
			t.Errorf("%s has no network policy", name)
		}
	}
	if p := b.policies["default-deny"].Spec; len(p.PodSelector.MatchLabels) != 0 || len(p.PolicyTypes) != 2 || len(p.Ingress)+len(p.Egress) != 0 {
		t.Error("the default is not to deny everything")
	}
	s := b.scaler.Spec
	if s.ScaleTargetRef.Name != "worker" || s.MinReplicaCount < 2 || s.MaxReplicaCount <= s.MinReplicaCount || len(s.Triggers) != 1 {
		t.Errorf("the scaler is %+v", s)
	}
	if trigger := s.Triggers[0]; trigger.Metadata["threshold"] != b.configs[b.pods["worker"].Spec.Containers[0].EnvFrom[0].ConfigMapRef.Name].Data["WORKER_CONCURRENCY"] {
		t.Error("the scaler's threshold is not WORKER_CONCURRENCY")
	}
}
