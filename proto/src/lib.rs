//! The contract of Countersign: generated messages, clients and servers, and the descriptor set for reflection.
//!
//! The sources are the `.proto` files under `countersign/`; a module here is a package there.

/// Encoded `FileDescriptorSet` of the whole contract.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/countersign.binpb"));

/// Package `countersign.approval.v1`.
pub mod approval {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("countersign.approval.v1");
    }
}

/// Package `countersign.classification.v1`.
pub mod classification {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("countersign.classification.v1");
    }
}

/// Package `countersign.common.v1`.
pub mod common {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("countersign.common.v1");
    }
}

/// Package `countersign.execution.v1`.
pub mod execution {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("countersign.execution.v1");
    }
}

/// Package `countersign.governance.v1`.
pub mod governance {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("countersign.governance.v1");
    }
}

/// Package `countersign.trace.v1`.
pub mod trace {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("countersign.trace.v1");
    }
}
