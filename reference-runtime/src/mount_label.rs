//! The SELinux context of the container's file systems.

use oci_spec::runtime::Spec;

/// File systems that show the kernel's own state. They keep the contexts that the policy gives it: with that of the
/// container's files the container might write to all of it. Some of them can't have another one anyway.
const OF_KERNEL: [&str; 5] = ["proc", "sysfs", "mqueue", "cgroup", "cgroup2"];

/// The label for new file systems, if there is one.
pub fn of(spec: &Spec) -> Option<&str> {
    spec.linux().as_ref()?.mount_label().as_deref().filter(|label| !label.is_empty())
}

/// Adds the label to what a new file system of type `typ` is given. // [mounts.label-applied]
pub fn add(label: Option<&str>, typ: Option<&str>, data: &str) -> String {
    match label {
        Some(label) if !typ.is_some_and(|typ| OF_KERNEL.contains(&typ)) => {
            // Quoted, for a context has commas in it.
            let own = format!("context=\"{label}\"");
            if data.is_empty() { own } else { format!("{data},{own}") }
        }
        _ => data.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::add;

    #[test]
    fn only_file_systems_of_the_container_are_labelled() {
        let label = Some("u:object_r:t:s0:c1,c2");
        assert_eq!(add(label, Some("tmpfs"), ""), "context=\"u:object_r:t:s0:c1,c2\"");
        assert_eq!(add(label, Some("tmpfs"), "mode=755"), "mode=755,context=\"u:object_r:t:s0:c1,c2\"");
        assert_eq!(add(label, Some("proc"), "hidepid=2"), "hidepid=2");
        assert_eq!(add(None, Some("tmpfs"), "mode=755"), "mode=755");
    }
}
