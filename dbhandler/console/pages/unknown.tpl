<section id="state" class="wide">
<p class="state {{"busy" if is_first else "gone"}}">{{"Asking the Serf agent…" if is_first else "There is no server " + repr(name) + " in the cluster."}}</p>
</section>
