// Directives of programs that multiply cooperative matrices of half precision: they stand before all else.
enable f16;
enable wgpu_cooperative_matrix;
